use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::EmbeddingError;

/// A pooling of the hidden states of all tokens, `[time, d_hidden]`, to one vector, `[d_hidden]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pool {
    /// The hidden state after the last token.
    Last,
    /// The mean over all tokens.
    Mean,
    /// The maximum over all tokens, for each hidden unit.
    Max,
    /// Attention pooling of an [encoder](crate::encoder) (Lin et al. 2017): a mean whose weights are the softmax over
    /// all tokens of the dot product with one learned vector.
    Attention,
}

impl Pool {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Last, "last"), (Self::Mean, "mean"), (Self::Max, "max"), (Self::Attention, "attention")];
}

/// One or more [`Pool`]s, whose vectors are concatenated; written `mean` or `mean+max`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pooling(Vec<Pool>);

impl Pooling {
    /// The parts, at least one.
    pub fn parts(&self) -> &[Pool] {
        &self.0
    }
}

impl Default for Pooling {
    fn default() -> Self {
        Self(vec![Pool::Mean])
    }
}

impl From<Pool> for Pooling {
    fn from(pool: Pool) -> Self {
        Self(vec![pool])
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |pool| Pool::ALL.iter().find(|(p, _)| *p == pool).map_or("", |(_, name)| name);
        let names: Vec<&str> = self.0.iter().map(|p| name(*p)).collect();
        f.pad(&names.join("+"))
    }
}

impl FromStr for Pooling {
    type Err = EmbeddingError;

    fn from_str(text: &str) -> Result<Self, EmbeddingError> {
        let part = |part: &str| Pool::ALL.iter().find(|(_, name)| *name == part.trim()).map(|(pool, _)| *pool);
        let parts: Option<Vec<Pool>> = text.split('+').map(part).collect();
        // longer lists repeat a pooling; the limit prevents a file from requesting vectors of arbitrary dimension
        parts
            .filter(|parts| parts.len() <= Pool::ALL.len())
            .map(Self)
            .ok_or_else(|| EmbeddingError::UnknownPooling { found: text.into() })
    }
}

impl TryFrom<String> for Pooling {
    type Error = EmbeddingError;

    fn try_from(text: String) -> Result<Self, EmbeddingError> {
        text.parse()
    }
}

impl From<Pooling> for String {
    fn from(pooling: Pooling) -> Self {
        pooling.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["last", "mean", "max", "attention", "mean+max", "last+mean+max"] {
            let pooling: Pooling = name.parse().expect("known");
            assert_eq!(pooling.to_string(), name);
        }
        for name in ["", "+", "mean+", "median", "mean,max"] {
            let error = name.parse::<Pooling>().expect_err("unknown").to_string();
            assert!(error.contains("expected last, mean, max"), "{error}");
        }
    }
}
