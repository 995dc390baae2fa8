use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::error::TextError;

/// The kind of token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Unit {
    /// A character (a Unicode scalar value).
    Char,
    /// A word delimited by white space; `<eos>` for each line feed.
    Word,
    /// A subword from byte-level byte-pair encoding.
    Bpe,
    /// Any other `tokenizer.json`.
    Other,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Char => "char",
            Self::Word => "word",
            Self::Bpe => "bpe",
            Self::Other => "other",
        })
    }
}

impl FromStr for Unit {
    type Err = TextError;

    fn from_str(text: &str) -> Result<Self, TextError> {
        match text {
            "char" => Ok(Self::Char),
            "word" => Ok(Self::Word),
            "bpe" => Ok(Self::Bpe),
            _ => Err(TextError::UnknownUnit { found: text.into() }),
        }
    }
}
