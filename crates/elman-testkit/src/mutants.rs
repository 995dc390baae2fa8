//! Damaged copies of files, generated from a seed: opening one must succeed or fail with an error, and never panic.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

/// Generates damaged copies and counts the outcomes.
#[derive(Debug)]
pub struct Mutants {
    rng: StdRng,
    count: usize,
    rejected: usize,
    accepted: usize,
}

/// Maximum time to open a mutant.
const MAX_TIME: Duration = Duration::from_secs(20);

/// Replacements of a number in a text.
const NUMBERS: [&str; 16] = [
    "0",
    "-1",
    "1",
    "2",
    "3",
    "7",
    "255",
    "65536",
    "65535",
    "2147483647",
    "4294967296",
    "18446744073709551615",
    "1e39",
    "1e-50",
    "0.999999999999",
    "null",
];

/// Replacements of a quoted text.
const TEXTS: [&str; 10] =
    ["\"\"", "\"I32\"", "\"F16\"", "\"BF16\"", "\"lstm\"", "\"gru\"", "\"simple\"", "\"max+last\"", "7", "[[[[]]]]"];

impl Mutants {
    /// `count` mutants, or `ELMAN_MUTANTS` if set, from the seed `ELMAN_SEED`, by default 1.
    pub fn new(count: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let count = number("ELMAN_MUTANTS").map_or(count, |count| count as usize);
        let rng = StdRng::seed_from_u64(number("ELMAN_SEED").unwrap_or(1));
        Self { rng, count, rejected: 0, accepted: 0 }
    }

    /// The number of mutants that a test should try.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Opens a mutant: within 20 seconds it must be accepted, or rejected with an error of one line that names `path`.
    ///
    /// # Panics
    /// If not.
    pub fn open<E: Display>(&mut self, path: &Path, open: impl FnOnce() -> Result<(), E>) {
        let (number, begin) = (self.accepted + self.rejected, Instant::now());
        match open() {
            Ok(()) => self.accepted += 1,
            Err(error) => {
                let message = error.to_string();
                let is_named = message.contains(&*path.to_string_lossy());
                assert!(is_named && !message.contains('\n'), "mutant {number} of {}: {message}", path.display());
                self.rejected += 1;
            }
        }
        assert!(begin.elapsed() < MAX_TIME, "mutant {number} of {}", path.display());
    }

    /// Damages the files in turn and [opens](Self::open) their folder, `count` times in total. JSON and safetensors
    /// files are also damaged within their format.
    ///
    /// # Panics
    /// If a file cannot be read or written; see also [`open`](Self::open) and [`end`](Self::end).
    pub fn damage<E: Display>(&mut self, files: &[PathBuf], mut open: impl FnMut(&Path) -> Result<(), E>) {
        for n in 0..self.count {
            let path = &files[n % files.len()];
            let folder = path.parent().expect("a file is in a folder");
            let whole = fs::read(path).expect("a file");
            let mutant = match path.extension().and_then(|extension| extension.to_str()) {
                Some("safetensors") => self.safetensors(&whole),
                Some("json") if self.below(2) == 0 => self.text(str::from_utf8(&whole).expect("JSON")).into_bytes(),
                _ => self.bytes(&whole),
            };
            fs::write(path, mutant).expect("a file");
            self.open(folder, || open(path));
            fs::write(path, whole).expect("a file");
        }
        self.end();
    }

    /// Checks that some mutants were rejected and some accepted.
    ///
    /// # Panics
    /// If not.
    pub fn end(&self) {
        let Self { rejected, accepted, .. } = self;
        assert!(*rejected > 0 && *accepted > 0, "{rejected} mutants were rejected and {accepted} accepted");
    }

    /// A random number below `end`.
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.rng.random_range(0..end)
    }

    /// Applies one to three changes of bits, bytes, ranges or the length.
    pub fn bytes(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..1 + self.below(3) {
            if bytes.is_empty() {
                bytes.push(self.below(256) as u8);
            }
            let at = self.below(bytes.len());
            let end = at + self.below((bytes.len() - at).min(64) + 1);
            match self.below(9) {
                0 | 1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = self.below(256) as u8,
                3 => bytes[at..end].fill(0),
                4 => bytes[at..end].fill(255),
                5 => bytes.truncate(at),
                6 => drop(bytes.drain(at..end)),
                // extreme lengths and offsets
                7 => {
                    let number = [u32::MAX, i32::MAX as u32, 1 << 30, 65_536, 0][self.below(5)];
                    let end = (at + 4).min(bytes.len());
                    bytes[at..end].copy_from_slice(&number.to_le_bytes()[..end - at]);
                }
                _ => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        bytes
    }

    /// Replaces a number or a quoted text of JSON or a Python literal.
    pub fn text(&mut self, whole: &str) -> String {
        let (mut spans, mut rest) = (Vec::new(), 0);
        while let Some(at) = whole[rest..].find(|c: char| c.is_ascii_digit() || c == '"') {
            let start = rest + at;
            let tail = &whole[start + 1..];
            let length = match whole.as_bytes()[start] {
                b'"' => tail.find('"').map_or(tail.len(), |n| n + 1),
                _ => tail.find(|c: char| !"0123456789.eE+-".contains(c)).unwrap_or(tail.len()),
            };
            rest = start + 1 + length;
            spans.push(start..rest);
        }
        if spans.is_empty() {
            return whole.into();
        }
        let span = spans[self.below(spans.len())].clone();
        let is_text = whole[span.clone()].starts_with('"');
        let new = if is_text { TEXTS[self.below(TEXTS.len())] } else { NUMBERS[self.below(NUMBERS.len())] };
        format!("{}{new}{}", &whole[..span.start], &whole[span.end..])
    }

    /// Changes the bytes, or the JSON of the header with its length adjusted.
    pub fn safetensors(&mut self, whole: &[u8]) -> Vec<u8> {
        let header = whole.first_chunk::<8>().map(|length| u64::from_le_bytes(*length) as usize);
        let header = header.and_then(|length| std::str::from_utf8(whole.get(8..8usize.checked_add(length)?)?).ok());
        match (self.below(2), header) {
            (0, Some(header)) => {
                let new = self.text(header);
                [&(new.len() as u64).to_le_bytes(), new.as_bytes(), &whole[8 + header.len()..]].concat()
            }
            _ => self.bytes(whole),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_mutants_and_most_are_damaged() {
        let mut mutants = Mutants::new(100);
        let (bytes, json) = ([7; 100], r#"{"a": 12, "b": [3.5, "x"]}"#);
        let generate = || {
            let mut mutants = Mutants::new(100);
            (0..100).map(|_| mutants.bytes(&bytes)).collect::<Vec<_>>()
        };
        let first = generate();
        assert_eq!(first, generate());
        assert!(first.iter().filter(|mutant| mutant[..] != bytes).count() > 80);
        let texts: Vec<String> = (0..1000).map(|_| mutants.text(json)).collect();
        assert!(texts.contains(&r#"{"a": 1e39, "b": [3.5, "x"]}"#.into()), "{texts:?}");
        let file = [&2u64.to_le_bytes()[..], b"{}", b"data"].concat();
        assert!((0..100).any(|_| mutants.safetensors(&file) == file));
    }
}
