//! Damaged copies of files, drawn from a seed: what a test opens to see that nothing but an error comes of it.

/// Draws damaged copies.
#[derive(Clone, Debug)]
pub struct Mutants {
    state: u64,
    count: usize,
}

/// What a number in a text may become.
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

/// What a quoted text may become.
const TEXTS: [&str; 10] =
    ["\"\"", "\"I32\"", "\"F16\"", "\"BF16\"", "\"lstm\"", "\"gru\"", "\"simple\"", "\"max+last\"", "7", "[[[[]]]]"];

impl Mutants {
    /// `count` of them, or as many as `ELMAN_MUTANTS` says, from the seed 1 or `ELMAN_SEED`.
    pub fn new(count: usize) -> Self {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect(name));
        let count = number("ELMAN_MUTANTS").map_or(count, |count| count as usize);
        Self { state: number("ELMAN_SEED").unwrap_or(1), count }
    }

    /// How many a test should try.
    pub fn count(&self) -> usize {
        self.count
    }

    /// A number below `end` (SplitMix64, Steele et al. 2014).
    ///
    /// # Panics
    /// If `end` is 0.
    pub fn below(&mut self, end: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    /// One to three changes of bits, bytes, ranges, or of the length.
    pub fn bytes(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..1 + self.below(3) {
            if bytes.is_empty() {
                bytes.push(self.below(256) as u8);
            }
            let at = self.below(bytes.len());
            let end = at + self.below((bytes.len() - at).min(64) + 1);
            match self.below(8) {
                0 | 1 => bytes[at] ^= 1 << self.below(8),
                2 => bytes[at] = self.below(256) as u8,
                3 => bytes[at..end].fill(0),
                4 => bytes[at..end].fill(255),
                5 => bytes.truncate(at),
                6 => drop(bytes.drain(at..end)),
                _ => {
                    let copy = bytes[at..end].to_vec();
                    bytes.splice(at..at, copy);
                }
            }
        }
        bytes
    }

    /// A number or a quoted text of a JSON text, or of a Python literal, becomes another.
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

    /// A change of the bytes, or of the header's JSON with its length made right.
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
    fn a_seed_draws_the_same_and_most_are_damaged() {
        let mut mutants = Mutants::new(100);
        let (bytes, json) = ([7; 100], r#"{"a": 12, "b": [3.5, "x"]}"#);
        let drawn = |mutants: &mut Mutants| (0..100).map(|_| mutants.bytes(&bytes)).collect::<Vec<_>>();
        let first = drawn(&mut mutants.clone());
        assert_eq!(first, drawn(&mut mutants.clone()));
        assert!(first.iter().filter(|mutant| mutant[..] != bytes).count() > 80);
        let texts: Vec<String> = (0..100).map(|_| mutants.text(json)).collect();
        assert!(texts.contains(&r#"{"a": 1e39, "b": [3.5, "x"]}"#.into()), "{texts:?}");
        let file = [&2u64.to_le_bytes()[..], b"{}", b"data"].concat();
        assert!((0..20).any(|_| mutants.safetensors(&file) == file));
    }
}
