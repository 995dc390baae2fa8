//! What SQLite does not ask of the write-ahead log that a crash leaves behind (<https://www.sqlite.org/fileformat2.html#walformat>):
//! it takes the first frame that is not as it was written for the end, whatever comes after it, and any log that is whole
//! for the database's.

use std::{fs, path::Path, thread, time::Duration};

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
/// A log that is larger than this is not read: it has one change that is as large, which is gone if it is damaged.
const MAX_BYTES: u64 = 1 << 30;
/// Another program may write the log meanwhile: what is found is looked for again.
const LOOKS: u32 = 4;
const BETWEEN: Duration = Duration::from_millis(50);
/// More changes to the schema than one log has.
const MAX_SCHEMA_CHANGES: u32 = 1000;

/// What is wrong with the log at `path` of a database whose header `schema` reads the identity from, if something is.
pub(crate) fn damage(path: &Path, schema: impl Fn() -> Option<u32>) -> Option<&'static str> {
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(BETWEEN);
        }
        let bytes = fs::metadata(path).ok().filter(|file| file.len() <= MAX_BYTES).and_then(|_| fs::read(path).ok())?;
        let found = damage_in(&bytes, schema());
        if found.is_none() || look + 1 == LOOKS {
            return found;
        }
    }
    None
}

fn damage_in(bytes: &[u8], schema: Option<u32>) -> Option<&'static str> {
    let header = bytes.get(..HEADER)?;
    let is_big_endian = number(header, 0) & 1 == 1;
    let page = number(header, 8) as usize;
    // a header that no program wrote, of a log whose first change was not acknowledged
    if !(512..=65_536).contains(&page) || !page.is_power_of_two() {
        return None;
    }
    let mut sum = checksum(is_big_endian, [0; 2], &header[..24]);
    let mut is_valid = sum == [number(header, 24), number(header, 28)];
    let salts = &header[16..24];
    // Each change is on disk before the next begins. One begins with the first page (see `transaction`): of the changes that
    // are not whole there can be one beginning, and one end after it.
    let (mut has_begun, mut has_ended, mut page_1) = (false, false, None);
    for frame in bytes[HEADER..].chunks_exact(FRAME_HEADER + page) {
        let (frame_header, content) = frame.split_at(FRAME_HEADER);
        if frame_header[8..16] != *salts {
            is_valid = false; // of an older log, or zeroed
            continue;
        }
        if is_valid {
            sum = checksum(is_big_endian, checksum(is_big_endian, sum, &frame_header[..8]), content);
            is_valid = sum == [number(frame_header, 16), number(frame_header, 20)];
        }
        let (begins, ends) = (number(frame_header, 0) == 1, number(frame_header, 4) != 0);
        if !is_valid && (begins && (has_begun || has_ended) || ends && has_ended) {
            return Some("its log is damaged: changes in it are lost");
        }
        if begins && is_valid {
            page_1 = Some(content);
        }
        (has_begun, has_ended) =
            if ends && is_valid { (false, false) } else { (has_begun || begins, has_ended || ends) };
    }
    match (page_1, schema) {
        (Some(page_1), Some(schema)) if number(page_1, 40).wrapping_sub(schema) > MAX_SCHEMA_CHANGES => {
            Some("its log is that of another database")
        }
        _ => None,
    }
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The checksum of what comes after what has the checksum `sum`; `bytes` are a multiple of 8.
fn checksum(is_big_endian: bool, sum: [u32; 2], bytes: &[u8]) -> [u32; 2] {
    let word = |four: &[u8]| {
        let four = [four[0], four[1], four[2], four[3]];
        if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    bytes.chunks_exact(8).fold(sum, |[first, second], eight| {
        let first = first.wrapping_add(word(&eight[..4])).wrapping_add(second);
        [first, second.wrapping_add(word(&eight[4..])).wrapping_add(first)]
    })
}
