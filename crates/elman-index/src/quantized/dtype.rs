use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::IndexError;

/// The dtype of stored vectors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorDtype {
    /// 32-bit floating point.
    #[default]
    #[serde(alias = "float32")] // its name before 0.2
    F32,
    /// 8-bit integers: see [`Int8`](super::Int8).
    Int8,
    /// 1 bit per value: see [`Binary`](super::Binary).
    Binary,
}

impl VectorDtype {
    /// All dtypes.
    pub const ALL: [Self; 3] = [Self::F32, Self::Int8, Self::Binary];

    /// The name that [`FromStr`] parses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Binary => "binary",
        }
    }

    /// Bytes per vector in a file.
    pub const fn bytes(self, dim: usize) -> usize {
        match self {
            Self::F32 => 4 * dim,
            Self::Int8 => dim,
            Self::Binary => dim.div_ceil(8),
        }
    }
}

impl fmt::Display for VectorDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for VectorDtype {
    type Err = IndexError;

    fn from_str(name: &str) -> Result<Self, IndexError> {
        let known = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        known.ok_or_else(|| IndexError::UnknownVectorDtype { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dtype in VectorDtype::ALL {
            assert_eq!(dtype.to_string().parse::<VectorDtype>().unwrap(), dtype);
            assert_eq!(serde_json::to_string(&dtype).unwrap(), format!("\"{dtype}\""));
        }
        let error = "int4".parse::<VectorDtype>().unwrap_err();
        assert_eq!(error.to_string(), "unknown vector dtype 'int4': use f32, int8 or binary");
    }
}
