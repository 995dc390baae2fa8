use std::{borrow::Borrow, cmp::Reverse, collections::HashMap, hash::Hash};

use tokenizers::{
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
        wordlevel::WordLevel,
    },
    pre_tokenizers::byte_level::ByteLevel,
};

use crate::{
    corpus::Corpus,
    error::TextError,
    pipeline,
    tokenizer::{END_OF_LINE, TextTokenizer, UNKNOWN},
    unit::Unit,
};

/// Maximum bytes of a word during BPE training. A merge takes time quadratic in the longest word, and DNA, base64 or a
/// language without spaces is a single word. Merges are not longer than this, and one in this many adjacent pairs of
/// such a text is not counted.
const MAX_WORD_BYTES: usize = 256;

/// Settings for training a tokenizer on a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// The kind of token; [`Unit::Other`] cannot be trained.
    pub unit: Unit,
    /// Maximum vocabulary size, including special tokens; `None` means no limit ([`DEFAULT_BPE`](Self::DEFAULT_BPE) for
    /// byte-pair encoding).
    pub vocab_size: Option<usize>,
    /// Rarer characters and words become `<unk>`; rarer pairs are not merged.
    pub min_frequency: u64,
}

impl TokenizerConfig {
    /// Default vocabulary size of a byte-pair encoding.
    pub const DEFAULT_BPE: usize = 4096;

    /// Creates settings without limits.
    pub fn new(unit: Unit) -> Self {
        Self { unit, vocab_size: None, min_frequency: 1 }
    }

    /// Sets the maximum vocabulary size.
    #[must_use]
    pub fn with_vocab_size(self, size: usize) -> Self {
        Self { vocab_size: Some(size), ..self }
    }

    /// Sets the minimum frequency of a token.
    #[must_use]
    pub fn with_min_frequency(self, min_frequency: u64) -> Self {
        Self { min_frequency, ..self }
    }

    /// Trains the vocabulary. Special tokens come first, the others are sorted by descending frequency, then by first
    /// occurrence.
    ///
    /// # Errors
    /// [`TextError::Vocabulary`] for a vocabulary that cannot hold the special tokens and one other (byte-pair
    /// encoding: the 256 bytes); [`TextError::UnknownUnit`] for [`Unit::Other`]; [`TextError::NotText`].
    pub fn train(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let least = match self.unit {
            Unit::Char => 2,
            Unit::Word => 3,
            Unit::Bpe => 256,
            Unit::Other => return Err(TextError::UnknownUnit { found: self.unit.to_string() }),
        };
        if let Some(size) = self.vocab_size.filter(|size| *size < least) {
            return Err(TextError::Vocabulary { size, unit: self.unit, least });
        }
        match self.unit {
            Unit::Char => self.characters(corpus),
            Unit::Word => self.words(corpus),
            Unit::Bpe | Unit::Other => self.byte_pairs(corpus),
        }
    }

    fn characters(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let mut count = Count::<char>::default();
        for piece in corpus.pieces() {
            piece?.chars().for_each(|c| count.add(&c));
        }
        let model = self.word_level(&[UNKNOWN], count.sorted(self.min_frequency))?;
        TextTokenizer::new(pipeline::characters(model).map_err(failed)?, None).map_err(failed)
    }

    fn words(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let special = [UNKNOWN, END_OF_LINE];
        let mut count = Count::<String>::default();
        for piece in corpus.pieces() {
            piece?.split_whitespace().filter(|word| !special.contains(word)).for_each(|word| count.add(word));
        }
        let model = self.word_level(&special, count.sorted(self.min_frequency))?;
        TextTokenizer::new(pipeline::words(model).map_err(failed)?, None).map_err(failed)
    }

    fn word_level<T: ToString>(&self, special: &[&str], tokens: Vec<T>) -> Result<WordLevel, TextError> {
        let tokens = special.iter().map(ToString::to_string).chain(tokens.iter().map(T::to_string));
        let limited = tokens.take(self.vocab_size.unwrap_or(usize::MAX));
        let ids = limited.enumerate().map(|(id, token)| (token, id as u32)).collect();
        WordLevel::builder().vocab(ids).unk_token(UNKNOWN.into()).build().map_err(failed)
    }

    fn byte_pairs(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let trainer = BpeTrainer::builder()
            .vocab_size(self.vocab_size.unwrap_or(Self::DEFAULT_BPE))
            .min_frequency(self.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .show_progress(false)
            .build();
        let mut library = pipeline::byte_pairs(BPE::default());
        library.with_pre_tokenizer(Some(pipeline::bounded_words(MAX_WORD_BYTES)));
        let mut failure = None;
        let pieces = corpus.pieces().map_while(|piece| piece.map_err(|error| failure = Some(error)).ok());
        library.train(&mut TrainerWrapper::from(trainer), pieces).map_err(failed)?;
        library.with_pre_tokenizer(Some(pipeline::byte_level()));
        match failure {
            Some(error) => Err(error),
            None => TextTokenizer::new(library, None).map_err(failed),
        }
    }
}

/// Frequency and first occurrence of each token.
struct Count<T>(HashMap<T, (u64, usize)>);

impl<T> Default for Count<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: Eq + Hash> Count<T> {
    fn add<Q: Eq + Hash + ToOwned<Owned = T> + ?Sized>(&mut self, token: &Q)
    where
        T: Borrow<Q>,
    {
        if let Some((count, _)) = self.0.get_mut(token) {
            *count += 1;
        } else {
            let first = self.0.len();
            self.0.insert(token.to_owned(), (1, first));
        }
    }

    /// Sorts by descending frequency, then by first occurrence.
    fn sorted(self, min_frequency: u64) -> Vec<T> {
        let mut tokens: Vec<_> = self.0.into_iter().filter(|(_, (count, _))| *count >= min_frequency).collect();
        tokens.sort_unstable_by_key(|(_, (count, first))| (Reverse(*count), *first));
        tokens.into_iter().map(|(token, _)| token).collect()
    }
}

fn failed(error: impl std::fmt::Display) -> TextError {
    TextError::Encode { reason: elman_files::one_line(error) }
}
