use std::{fmt, str::FromStr};

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};

use crate::error::TextError;

/// A character encoding; the default is UTF-8.
///
/// The names are the labels of the [WHATWG Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels), such
/// as `windows-1252` (also `latin1` and `iso-8859-1`), `utf-16le`, `shift_jis` or `gbk`. A byte order mark of UTF-8 or
/// UTF-16 at the beginning of a file takes precedence over the given encoding.
///
/// ```
/// use elman_text::Encoding;
///
/// assert_eq!("Latin1".parse::<Encoding>()?.to_string(), "windows-1252");
/// assert_eq!(Encoding::default().to_string(), "UTF-8");
/// # Ok::<(), elman_text::TextError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Encoding(&'static encoding_rs::Encoding);

impl Default for Encoding {
    fn default() -> Self {
        Self(UTF_8)
    }
}

impl FromStr for Encoding {
    type Err = TextError;

    fn from_str(label: &str) -> Result<Self, TextError> {
        let unknown = || TextError::UnknownEncoding { found: label.into() };
        encoding_rs::Encoding::for_label_no_replacement(label.as_bytes()).map(Self).ok_or_else(unknown)
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

impl Encoding {
    /// Whether a file that begins with these bytes is probably text in this encoding: like grep and git, checks for NUL
    /// bytes, unless the encoding is UTF-16.
    pub(crate) fn is_text(self, beginning: &[u8]) -> bool {
        self.detect(beginning).0.is_wide() || !beginning.contains(&0)
    }

    /// Whether a file that begins with these bytes contains more than a byte order mark.
    pub(crate) fn has_text(self, beginning: &[u8]) -> bool {
        beginning.len() > self.detect(beginning).1
    }

    /// Detects the encoding from a byte order mark; returns it with the length of the mark.
    pub(crate) fn detect(self, beginning: &[u8]) -> (Self, usize) {
        match beginning {
            // UTF-32 is not supported
            [0xFF, 0xFE, 0, 0, ..] => (self, 0),
            _ => encoding_rs::Encoding::for_bom(beginning).map_or((self, 0), |(encoding, mark)| (Self(encoding), mark)),
        }
    }

    pub(crate) fn is_utf8(self) -> bool {
        self.0 == UTF_8
    }

    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }

    pub(crate) fn decoder(self) -> encoding_rs::Decoder {
        self.0.new_decoder_without_bom_handling()
    }

    fn is_wide(self) -> bool {
        self.0 == UTF_16LE || self.0 == UTF_16BE
    }
}
