use std::io::{self, BufRead, Read};

/// Maximum number of instructions of a pickle. A model of 1,000 tensors has about 50,000.
pub(super) const MAX_INSTRUCTIONS: u64 = 4 << 20;

/// Scans a pickle without building objects, subtracting the number of its instructions from `budget`. Returns whether
/// it reached the end of the pickle. Invalid data also ends the scan; the parser then reports the error.
pub(super) fn scan(pickle: &mut impl BufRead, budget: &mut u64) -> bool {
    while *budget > 0 {
        *budget -= 1;
        match next_instruction(pickle) {
            Ok(Some(b'.')) => return true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                // the pickle is invalid, not too long
                *budget = (*budget).max(1);
                return false;
            }
        }
    }
    false
}

/// Reads the next instruction and skips its argument; `None` for an unknown instruction.
fn next_instruction(pickle: &mut impl BufRead) -> io::Result<Option<u8>> {
    let [instruction] = bytes(pickle)?;
    match instruction {
        b'I' | b'L' | b'F' | b'V' | b'S' | b'g' | b'p' | b'P' => line(pickle)?,
        b'c' | b'i' => {
            line(pickle)?;
            line(pickle)?;
        }
        b'K' | b'h' | b'q' | 0x80 | 0x82 => skip(pickle, 1)?,
        b'M' | 0x83 => skip(pickle, 2)?,
        b'J' | b'j' | b'r' | 0x84 => skip(pickle, 4)?,
        b'G' | 0x95 => skip(pickle, 8)?,
        b'U' | b'C' | 0x8a | 0x8c => {
            let [length] = bytes(pickle)?;
            skip(pickle, length.into())?;
        }
        b'T' | b'X' | b'B' | 0x8b => {
            let length = u32::from_le_bytes(bytes(pickle)?);
            skip(pickle, length.into())?;
        }
        0x8d | 0x8e | 0x96 => {
            let length = u64::from_le_bytes(bytes(pickle)?);
            skip(pickle, length)?;
        }
        b'.'
        | b'('
        | b'0'..=b'2'
        | b'N'
        | b'R'
        | b'b'
        | b'd'
        | b'l'
        | b't'
        | b's'
        | b'a'
        | b')'
        | b']'
        | b'}'
        | b'e'
        | b'u'
        | b'o'
        | b'Q'
        | 0x81
        | 0x85..=0x89
        | 0x8f..=0x94
        | 0x97
        | 0x98 => {}
        _ => return Ok(None),
    }
    Ok(Some(instruction))
}

fn bytes<const N: usize>(pickle: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    pickle.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(pickle: &mut impl BufRead, length: u64) -> io::Result<()> {
    let skipped = io::copy(&mut pickle.take(length), &mut io::sink())?;
    if skipped == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn line(pickle: &mut impl BufRead) -> io::Result<()> {
    let skipped = pickle.skip_until(b'\n')?;
    if skipped > 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether the end of the pickle was reached, and the remaining budget.
    fn scanned(mut pickle: &[u8], mut budget: u64) -> (bool, u64) {
        (scan(&mut pickle, &mut budget), budget)
    }

    #[test]
    fn every_instruction_is_counted() {
        assert_eq!(scanned(b"\x80\x02}(X\x03\x00\x00\x00aN.K\x05cm\nn\n)RI7\nu.rest", 100), (true, 89));
        assert_eq!(scanned(b"NNNN.", 5), (true, 0));
        assert_eq!(scanned(b"NNNN.", 4), (false, 0));
    }

    #[test]
    fn invalid_pickles_are_left_to_the_parser() {
        for invalid in
            [&b""[..], b"N", b"\xff", b"X\xff\xff\xff\xffab", b"I", b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab"]
        {
            let (ended, left) = scanned(invalid, 3);
            assert!(!ended && left > 0, "{invalid:?}");
        }
    }
}
