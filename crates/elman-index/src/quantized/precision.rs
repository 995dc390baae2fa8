use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::IndexError;

/// What the numbers of a vector are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VectorDtype {
    /// 32 bits: as they are.
    #[default]
    #[serde(alias = "float32")] // its name before 0.2
    F32,
    /// 8 bits: see [`Int8`](super::Int8).
    Int8,
    /// 1 bit: see [`Binary`](super::Binary).
    Binary,
}

impl VectorDtype {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::F32, Self::Int8, Self::Binary];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
            Self::Binary => "binary",
        }
    }

    /// The bytes of a vector in a file.
    pub const fn bytes(self, d_embed: usize) -> usize {
        match self {
            Self::F32 => 4 * d_embed,
            Self::Int8 => d_embed,
            Self::Binary => d_embed.div_ceil(8),
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
        let known = Self::ALL.into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| IndexError::UnknownVectorDtype { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_everywhere() {
        for precision in VectorDtype::ALL {
            assert_eq!(precision.to_string().parse::<VectorDtype>().unwrap(), precision);
            assert_eq!(serde_json::to_string(&precision).unwrap(), format!("\"{precision}\""));
        }
        let error = "int4".parse::<VectorDtype>().unwrap_err();
        assert_eq!(error.to_string(), "unknown precision 'int4': use f32, int8 or binary");
    }
}
