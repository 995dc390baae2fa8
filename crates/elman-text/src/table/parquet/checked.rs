use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use parquet::{
    errors::{ParquetError, Result},
    file::reader::{ChunkReader, Length},
};

/// Bytes of a page header that are inspected.
const HEADER_BYTES: u64 = 64;
/// A page may have this size, or exceed its compressed size by this factor.
const MAX_PAGE_BYTES: u64 = 1 << 26;
const MAX_RATIO: u64 = 100;
/// The page type of a dictionary in headers.
const DICTIONARY: i64 = 2;

/// A file whose claimed lengths are checked before the library allocates memory for them.
pub(super) struct Checked<R> {
    file: R,
    /// Whether reads are of pages.
    reads_pages: Arc<AtomicBool>,
}

impl<R: ChunkReader> Checked<R> {
    pub(super) fn new(file: R) -> (Self, Arc<AtomicBool>) {
        let reads_pages = Arc::new(AtomicBool::new(false));
        (Self { file, reads_pages: reads_pages.clone() }, reads_pages)
    }
}

impl<R: ChunkReader> Length for Checked<R> {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl<R: ChunkReader> ChunkReader for Checked<R> {
    type T = R::T;

    fn get_read(&self, start: u64) -> Result<R::T> {
        if self.reads_pages.load(Ordering::Relaxed) {
            let mut beginning = Vec::new();
            self.file.get_read(start)?.take(HEADER_BYTES).read_to_end(&mut beginning)?;
            check(&beginning)?;
        }
        self.file.get_read(start)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        match start.checked_add(length as u64).is_some_and(|end| end <= self.len()) {
            true => self.file.get_bytes(start, length),
            false => Err(ParquetError::EOF(format!("a range of {length} bytes at offset {start} is outside the file"))),
        }
    }
}

/// Rejects a page whose header claims more than it can contain. Invalid headers are left to the library.
fn check(bytes: &[u8]) -> Result<()> {
    let Some(header) = Header::read(bytes) else { return Ok(()) };
    let [size, compressed] = [header.size, header.compressed].map(|size| u64::try_from(size).unwrap_or(u64::MAX));
    let is_large = size > MAX_PAGE_BYTES && size / MAX_RATIO > compressed;
    // each value of a dictionary has at least four bytes
    let is_short = header.kind == DICTIONARY && header.values > header.size / 4;
    if is_large || is_short {
        let Header { values, size, compressed, .. } = header;
        return Err(ParquetError::General(format!("a page of {compressed} bytes claims {values} values in {size}")));
    }
    Ok(())
}

/// The first fields of a page header.
struct Header {
    kind: i64,
    size: i64,
    compressed: i64,
    values: i64,
}

impl Header {
    /// Reads [Thrift's compact
    /// encoding](https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md): each field starts
    /// with a byte of the difference to the previous field id, and the type.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut bytes = bytes.iter().copied();
        let mut next = || bytes.next();
        let (mut values, mut field) = ([0; 4], 0);
        loop {
            let byte = next()?;
            field += byte >> 4;
            match (byte & 15, field) {
                (I32, 1..=4) => values[usize::from(field) - 1] = varint(&mut next)?,
                // the first field of the header of each page type
                (STRUCT, 5..=8) if next()? == (1 << 4 | I32) => {
                    let ([kind, size, compressed, _], values) = (values, varint(&mut next)?);
                    return Some(Self { kind, size, compressed, values });
                }
                _ => return None,
            }
        }
    }
}

const I32: u8 = 5;
const STRUCT: u8 = 12;

/// A zigzag-encoded varint: seven bits per byte, lowest first, with the sign in the lowest bit.
fn varint(next: &mut impl FnMut() -> Option<u8>) -> Option<i64> {
    let mut bits = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = next()?;
        bits |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some((bits >> 1) as i64 ^ -((bits & 1) as i64));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_claim_too_much_are_rejected() {
        // kind, size, compressed size; then the header of the page type, whose first field is the number of values
        let page = |kind: u8, size: &[u8], part: u8, values: &[u8]| {
            let head = [&[0x15, kind * 2, 0x15], size, &[0x15, 0x14, part, 0x15], values].concat();
            check(&head).map_err(|error| error.to_string())
        };
        assert!(page(0, &[0x28], 0x2C, &[0x06]).is_ok(), "20 bytes, 3 values");
        assert!(page(0, &[0x28], 0x2C, &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F]).is_ok(), "many equal values need no space");
        assert!(page(2, &[0x28], 0x4C, &[0x0A]).is_ok(), "a dictionary of 5 values");
        let message = page(2, &[0x28], 0x4C, &[0x0C]).unwrap_err();
        assert!(message.contains("a page of 10 bytes claims 6 values in 20"), "{message}");
        let message = page(0, &[0xFE, 0xFF, 0xFF, 0xFF, 0x0F], 0x2C, &[0x06]).unwrap_err();
        assert!(message.contains("claims 3 values in 2147483647"), "{message}");
        assert!(check(b"PAR1").is_ok() && check(&[0x15; 64]).is_ok() && check(&[]).is_ok());
    }
}
