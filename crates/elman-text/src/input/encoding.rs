use std::{fmt, str::FromStr};

use encoding_rs::{UTF_8, UTF_16BE, UTF_16LE};

use crate::error::TextError;

/// How characters are written as bytes: UTF-8 unless said otherwise.
///
/// The names are the labels of the [WHATWG Encoding Standard](https://encoding.spec.whatwg.org/#names-and-labels), such as
/// `windows-1252` (which `latin1` and `iso-8859-1` are too), `utf-16le`, `shift_jis` or `gbk`. A byte order mark at the
/// beginning of a file counts more than what was said: it is UTF-8's or UTF-16's in either order.
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
    /// Whether a file that begins with these bytes is a text of this encoding, as far as that shows: whether it has no NUL
    /// where characters are bytes, as grep and git tell.
    pub(crate) fn is_text(self, beginning: &[u8]) -> bool {
        self.of(beginning).0.is_wide() || !beginning.contains(&0)
    }

    /// Whether a file that begins with these bytes has more than a byte order mark.
    pub(crate) fn has_text(self, beginning: &[u8]) -> bool {
        beginning.len() > self.of(beginning).1
    }

    /// The encoding of a text that begins so, and the length of its byte order mark.
    pub(crate) fn of(self, beginning: &[u8]) -> (Self, usize) {
        match beginning {
            // UTF-32, which is not read
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
