use std::io::{self, BufRead, Read};

/// Longer pickles are not read. A model of 1,000 tensors takes some 50,000 steps.
pub(super) const MAX_STEPS: u64 = 4 << 20;

/// Goes over a pickle without building anything, taking what it needs from `steps`; whether it came to the pickle's end.
/// What is no pickle ends it too: the reader says what is wrong.
pub(super) fn scan(pickle: &mut impl BufRead, steps: &mut u64) -> bool {
    while *steps > 0 {
        *steps -= 1;
        match step(pickle) {
            Ok(Some(b'.')) => return true,
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => {
                // not for its length
                *steps = (*steps).max(1);
                return false;
            }
        }
    }
    false
}

/// The next instruction, passed over with its argument; `None` for one that does not exist.
fn step(pickle: &mut impl BufRead) -> io::Result<Option<u8>> {
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

    /// Whether the pickle ended, and the steps that were left of `steps`.
    fn scanned(mut pickle: &[u8], mut steps: u64) -> (bool, u64) {
        (scan(&mut pickle, &mut steps), steps)
    }

    #[test]
    fn every_instruction_is_a_step() {
        assert_eq!(scanned(b"\x80\x02}(X\x03\x00\x00\x00aN.K\x05cm\nn\n)RI7\nu.rest", 100), (true, 89));
        assert_eq!(scanned(b"NNNN.", 5), (true, 0));
        assert_eq!(scanned(b"NNNN.", 4), (false, 0));
    }

    #[test]
    fn what_is_no_pickle_is_left_to_the_reader() {
        for odd in [&b""[..], b"N", b"\xff", b"X\xff\xff\xff\xffab", b"I", b"\x8d\xff\xff\xff\xff\xff\xff\xff\xffab"] {
            let (ended, left) = scanned(odd, 3);
            assert!(!ended && left > 0, "{odd:?}");
        }
    }
}
