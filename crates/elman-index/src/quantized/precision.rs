use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::IndexError;

/// What the numbers of a vector are kept in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits: as they are.
    #[default]
    Float32,
    /// 8 bits: see [`Int8`](super::Int8).
    Int8,
    /// 1 bit: see [`Binary`](super::Binary).
    Binary,
}

impl Precision {
    /// Every precision.
    pub const ALL: [Self; 3] = [Self::Float32, Self::Int8, Self::Binary];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Float32 => "float32",
            Self::Int8 => "int8",
            Self::Binary => "binary",
        }
    }

    /// The bytes of a vector in a file.
    pub const fn bytes(self, d_embed: usize) -> usize {
        match self {
            Self::Float32 => 4 * d_embed,
            Self::Int8 => d_embed,
            Self::Binary => d_embed.div_ceil(8),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Precision {
    type Err = IndexError;

    fn from_str(name: &str) -> Result<Self, IndexError> {
        let known = Self::ALL.into_iter().find(|precision| precision.name() == name);
        known.ok_or_else(|| IndexError::UnknownPrecision { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_everywhere() {
        for precision in Precision::ALL {
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
            assert_eq!(serde_json::to_string(&precision).unwrap(), format!("\"{precision}\""));
        }
        let error = "int4".parse::<Precision>().unwrap_err();
        assert_eq!(error.to_string(), "unknown precision 'int4': use float32, int8 or binary");
    }
}
