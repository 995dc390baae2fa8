use std::io::{self, BufRead, Cursor, Read};

use encoding_rs::{Decoder, DecoderResult};

use super::{Encoding, Fault, Reader};

/// Size of the buffer of decoded UTF-8 in bytes.
const DECODED_BYTES: usize = 1 << 14;

/// A text, decoded to UTF-8.
pub(crate) struct Text {
    /// The text without a byte order mark. UTF-8 files are not validated here.
    pub(crate) reader: Reader,
    /// Length of a UTF-8 byte order mark that was skipped.
    pub(crate) mark: u64,
    /// Whether the file is in another encoding, so that its length differs.
    pub(crate) is_decoded: bool,
}

/// Decodes bytes to UTF-8; fails at invalid bytes.
pub(crate) fn decoded(mut input: impl BufRead + Send + 'static, encoding: Encoding) -> io::Result<Text> {
    let mut beginning = Vec::new();
    // byte order marks contain no line feed: do not wait for more than one line of a terminal
    input.by_ref().take(4).read_until(b'\n', &mut beginning)?;
    let (encoding, mark) = encoding.detect(&beginning);
    let input = Cursor::new(beginning.split_off(mark)).chain(input);
    if encoding.is_utf8() {
        return Ok(Text { reader: Box::new(input), mark: mark as u64, is_decoded: false });
    }
    let output = vec![0; DECODED_BYTES].into_boxed_slice();
    let decoder = encoding.decoder();
    let decoded =
        Decoded { input, encoding, decoder, output, start: 0, end: 0, offset: mark as u64, line_ends: 0, ended: false };
    Ok(Text { reader: Box::new(decoded), mark: 0, is_decoded: true })
}

struct Decoded<R> {
    input: R,
    encoding: Encoding,
    decoder: Decoder,
    /// Decoded UTF-8, with `start..end` still unread.
    output: Box<[u8]>,
    start: usize,
    end: usize,
    /// Number of bytes decoded so far.
    offset: u64,
    line_ends: u64,
    ended: bool,
}

impl<R: BufRead> BufRead for Decoded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.start == self.end && !self.ended {
            let input = self.input.fill_buf()?;
            let is_last = input.is_empty();
            let (result, read, end) = self.decoder.decode_to_utf8_without_replacement(input, &mut self.output, is_last);
            self.input.consume(read);
            (self.start, self.end) = (0, end);
            self.offset += read as u64;
            self.line_ends += self.output[..end].iter().filter(|byte| **byte == b'\n').count() as u64;
            match result {
                DecoderResult::Malformed(bytes, after) => {
                    let offset = self.offset - u64::from(bytes) - u64::from(after);
                    let encoding = self.encoding.name();
                    return Err(Fault::Undecodable { encoding, offset, line: self.line_ends + 1 }.into());
                }
                DecoderResult::InputEmpty => self.ended = is_last,
                DecoderResult::OutputFull => {}
            }
        }
        Ok(&self.output[self.start..self.end])
    }

    fn consume(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }
}

impl<R: BufRead> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &'static [u8], label: &str) -> io::Result<String> {
        // a buffer of three bytes splits characters
        let input = io::BufReader::with_capacity(3, bytes);
        let mut text = String::new();
        decoded(input, label.parse().unwrap())?.reader.read_to_string(&mut text)?;
        Ok(text)
    }

    fn fault(bytes: &'static [u8], label: &str) -> Fault {
        *text(bytes, label).unwrap_err().get_ref().unwrap().downcast_ref().unwrap()
    }

    #[test]
    fn bytes_are_decoded() {
        for (bytes, label, expected) in [
            (&b"caf\xe9 \x80"[..], "latin1", "café €"),
            (b"h\0i\0=\xd8\0\xde", "utf-16", "hi😀"),
            (b"\x93\xfa\x96{\n", "shift_jis", "日本\n"),
            (b"", "utf-16le", ""),
            // byte order marks take precedence over labels
            (b"\xff\xfeh\0i\0", "latin1", "hi"),
            (b"\xfe\xff\0h\0i", "utf-8", "hi"),
            (b"\xef\xbb\xbfcaf\xc3\xa9", "latin1", "café"),
            (b"\xef\xbb\xbf", "utf-8", ""),
            (b"\xff\xfe", "utf-8", ""),
        ] {
            assert_eq!(text(bytes, label).unwrap(), expected, "{bytes:?}");
        }
    }

    #[test]
    fn invalid_bytes_are_reported_with_offset_and_line() {
        let utf16 = |offset, line| Fault::Undecodable { encoding: "UTF-16LE", offset, line };
        assert_eq!(fault(b"\xff\xfea\0\n\0b\0\0\xdcc\0", "utf-8"), utf16(8, 2));
        assert_eq!(fault(b"a\0b", "utf-16le"), utf16(2, 1));
        let expected = Fault::Undecodable { encoding: "Shift_JIS", offset: 3, line: 2 };
        assert_eq!(fault(b"ab\n\x93\n", "sjis"), expected);
    }
}
