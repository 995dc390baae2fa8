//! Checks of the write-ahead log that a crash leaves behind (<https://www.sqlite.org/fileformat2.html#walformat>).
//!
//! SQLite treats the first invalid frame as the end of the log, whatever follows, and accepts any valid log as that of
//! the database.

use std::{fs, path::Path, thread, time::Duration};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// A larger log is not read: it consists of one transaction of that size, which is lost if it is corrupt.
const MAX_BYTES: u64 = 1 << 30;
/// Reads before damage is reported, because another program may be writing the log.
const MAX_READS: u32 = 4;
const RETRY_DELAY: Duration = Duration::from_millis(50);
/// More changes of the schema than a log contains.
const MAX_SCHEMA_CHANGES: u32 = 1000;

/// Describes the damage of the log at `path`, if any. `schema` reads the schema version from the header of the
/// database.
pub(crate) fn damage(path: &Path, schema: impl Fn() -> Option<u32>) -> Option<&'static str> {
    for attempt in 0..MAX_READS {
        if attempt > 0 {
            thread::sleep(RETRY_DELAY);
        }
        let bytes = fs::metadata(path).ok().filter(|file| file.len() <= MAX_BYTES).and_then(|_| fs::read(path).ok())?;
        let found = damage_in(&bytes, schema());
        if found.is_none() || attempt + 1 == MAX_READS {
            return found;
        }
    }
    None
}

fn damage_in(bytes: &[u8], schema: Option<u32>) -> Option<&'static str> {
    let header = bytes.get(..HEADER)?;
    let is_big_endian = read_u32(header, 0) & 1 == 1;
    let page = read_u32(header, 8) as usize;
    // an invalid header: the first transaction of the log was not committed
    if !(512..=65_536).contains(&page) || !page.is_power_of_two() {
        return None;
    }
    let mut sum = checksum(is_big_endian, [0; 2], &header[..24]);
    let mut is_valid = sum == [read_u32(header, 24), read_u32(header, 28)];
    let salts = &header[16..24];
    // A transaction is durable before the next begins, and it begins with the first page (see `transaction`). Invalid
    // frames can therefore contain at most one beginning, followed by at most one end.
    let (mut has_begun, mut has_ended, mut page_1) = (false, false, None);
    for frame in bytes[HEADER..].chunks_exact(FRAME_HEADER + page) {
        let (frame_header, content) = frame.split_at(FRAME_HEADER);
        if frame_header[8..16] != *salts {
            is_valid = false; // a frame of an older log, or zeros
            continue;
        }
        if is_valid {
            sum = checksum(is_big_endian, checksum(is_big_endian, sum, &frame_header[..8]), content);
            is_valid = sum == [read_u32(frame_header, 16), read_u32(frame_header, 20)];
        }
        let (begins, ends) = (read_u32(frame_header, 0) == 1, read_u32(frame_header, 4) != 0);
        if !is_valid && (begins && (has_begun || has_ended) || ends && has_ended) {
            return Some("the write-ahead log is damaged: changes in it are lost");
        }
        if begins && is_valid {
            page_1 = Some(content);
        }
        (has_begun, has_ended) =
            if ends && is_valid { (false, false) } else { (has_begun || begins, has_ended || ends) };
    }
    match (page_1, schema) {
        (Some(page_1), Some(schema)) if read_u32(page_1, 40).wrapping_sub(schema) > MAX_SCHEMA_CHANGES => {
            Some("the write-ahead log belongs to another database")
        }
        _ => None,
    }
}

fn read_u32(bytes: &[u8], offset: usize) -> u32 {
    u32::from_be_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}

/// Continues the checksum `sum` over `bytes`, whose length is a multiple of 8.
fn checksum(is_big_endian: bool, sum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
    let word = |bytes: &[u8]| {
        let bytes = [bytes[0], bytes[1], bytes[2], bytes[3]];
        if is_big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
    };
    bytes.chunks_exact(8).fold(sum, |[first, second], words| {
        let first = first.wrapping_add(word(&words[..4])).wrapping_add(second);
        [first, second.wrapping_add(word(&words[4..])).wrapping_add(first)]
    })
}
