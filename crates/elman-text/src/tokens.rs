/// The token ids of a text, with the number of characters and bytes that they cover.
///
/// Stores 2 bytes per token while all ids are below 65,536, otherwise 4.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    ids: Ids,
    characters: u64,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Ids {
    Small(Vec<u16>),
    Large(Vec<u32>),
}

impl Default for Ids {
    fn default() -> Self {
        Self::Small(Vec::new())
    }
}

impl Tokens {
    /// Creates an empty sequence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tokens of a text with the given number of characters and bytes.
    pub fn from_ids(ids: &[u32], characters: usize, bytes: usize) -> Self {
        let mut tokens = Self::new();
        tokens.extend(ids, characters, bytes);
        tokens
    }

    /// Appends the tokens of a text with the given number of characters and bytes.
    pub fn extend(&mut self, ids: &[u32], characters: usize, bytes: usize) {
        self.characters += characters as u64;
        self.bytes += bytes as u64;
        if let Ids::Small(small) = &mut self.ids {
            if ids.iter().all(|id| u16::try_from(*id).is_ok()) {
                small.extend(ids.iter().map(|id| *id as u16));
                return;
            }
            self.ids = Ids::Large(small.iter().map(|id| u32::from(*id)).collect());
        }
        if let Ids::Large(large) = &mut self.ids {
            large.extend_from_slice(ids);
        }
    }

    /// Number of tokens.
    pub fn len(&self) -> usize {
        match &self.ids {
            Ids::Small(ids) => ids.len(),
            Ids::Large(ids) => ids.len(),
        }
    }

    /// Whether there are no tokens.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of characters (Unicode scalar values) of the text.
    pub fn characters(&self) -> u64 {
        self.characters
    }

    /// Number of bytes of the text.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The ids from `start` up to `end`.
    ///
    /// # Panics
    /// If `end > len()` or `end < start`.
    pub fn slice(&self, start: usize, end: usize) -> impl Iterator<Item = u32> {
        let (small, large): (&[u16], &[u32]) = match &self.ids {
            Ids::Small(ids) => (&ids[start..end], &[]),
            Ids::Large(ids) => (&[], &ids[start..end]),
        };
        small.iter().map(|id| u32::from(*id)).chain(large.iter().copied())
    }

    /// All ids.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.slice(0, self.len())
    }
}
