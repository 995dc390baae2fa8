use std::collections::HashMap;

use tokenizers::{
    AddedToken, Tokenizer as Inner,
    decoders::{byte_level::ByteLevel as ByteLevelDecoder, fuse::Fuse},
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
        wordlevel::WordLevel,
    },
    normalizers::replace::Replace,
    pre_tokenizers::{
        byte_level::ByteLevel,
        split::{Split, SplitPattern},
        whitespace::WhitespaceSplit,
    },
    tokenizer::normalizer::SplitDelimiterBehavior,
};

use crate::{
    corpus::Corpus,
    error::TextError,
    tokenizer::{END_OF_LINE, TextTokenizer, UNKNOWN, one_line},
    unit::Unit,
};

/// How a tokenizer is learned from a corpus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// What a token is; [`Unit::Other`] cannot be trained and is taken as [`Unit::Bpe`].
    pub unit: Unit,
    /// The most tokens that the vocabulary may have, special ones included; no limit if `None` (for byte-pair encoding:
    /// [`DEFAULT_BPE`](Self::DEFAULT_BPE)).
    pub vocab_size: Option<usize>,
    /// Characters and words (and merges) that are rarer become `<unk>` (are not made).
    pub min_frequency: u64,
}

impl TokenizerConfig {
    /// Tokens of a byte-pair encoding unless chosen otherwise.
    pub const DEFAULT_BPE: usize = 4096;

    /// No limit, every token that occurs.
    pub fn new(unit: Unit) -> Self {
        Self { unit, vocab_size: None, min_frequency: 1 }
    }

    /// Sets the largest vocabulary.
    #[must_use]
    pub fn with_vocab_size(self, size: usize) -> Self {
        Self { vocab_size: Some(size), ..self }
    }

    /// Sets how often a token must occur.
    #[must_use]
    pub fn with_min_frequency(self, min_frequency: u64) -> Self {
        Self { min_frequency, ..self }
    }

    /// Learns the vocabulary. Ids go by falling frequency, then by first occurrence; special tokens first.
    ///
    /// # Errors
    /// [`TextError::Vocabulary`] for a vocabulary that cannot hold the special tokens and one other (byte-pair encoding:
    /// the 256 bytes); what reading the corpus can give.
    pub fn train(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let least = match self.unit {
            Unit::Char => 2,
            Unit::Word => 3,
            Unit::Bpe | Unit::Other => 256,
        };
        if let Some(size) = self.vocab_size.filter(|s| *s < least) {
            return Err(TextError::Vocabulary { size, unit: self.unit, least });
        }
        match self.unit {
            Unit::Char => self.characters(corpus),
            Unit::Word => self.words(corpus),
            Unit::Bpe | Unit::Other => self.byte_pairs(corpus),
        }
    }

    fn characters(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let mut count = Count::default();
        for piece in corpus.pieces() {
            let mut buffer = [0; 4];
            piece?.chars().for_each(|c| count.add(c.encode_utf8(&mut buffer)));
        }
        let mut inner = Inner::new(self.word_level(count, &[UNKNOWN])?);
        let every = Split::new(SplitPattern::Regex("(?s).".into()), SplitDelimiterBehavior::Isolated, false);
        inner.with_pre_tokenizer(Some(every.map_err(library)?));
        inner.with_decoder(Some(Fuse::default()));
        Ok(TextTokenizer::new(inner))
    }

    fn words(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let mut count = Count::default();
        for piece in corpus.pieces() {
            piece?.split_whitespace().filter(|w| ![UNKNOWN, END_OF_LINE].contains(w)).for_each(|w| count.add(w));
        }
        let mut inner = Inner::new(self.word_level(count, &[UNKNOWN, END_OF_LINE])?);
        let line_ends = Replace::new("\n", format!(" {END_OF_LINE} ")).map_err(library)?;
        inner.with_normalizer(Some(line_ends)).map_err(library)?;
        inner.with_pre_tokenizer(Some(WhitespaceSplit));
        Ok(TextTokenizer::new(inner))
    }

    fn word_level(&self, count: Count, special: &[&str]) -> Result<WordLevel, TextError> {
        let limit = self.vocab_size.unwrap_or(usize::MAX);
        let tokens = special.iter().map(|s| (*s).to_owned()).chain(count.sorted(self.min_frequency)).take(limit);
        let ids = tokens.enumerate().map(|(id, token)| (token, id as u32)).collect();
        WordLevel::builder().vocab(ids).unk_token(UNKNOWN.into()).build().map_err(library)
    }

    fn byte_pairs(&self, corpus: &Corpus) -> Result<TextTokenizer, TextError> {
        let mut inner = Inner::new(BPE::default());
        inner.with_pre_tokenizer(Some(ByteLevel::new(false, false, true)));
        inner.with_decoder(Some(ByteLevelDecoder::default()));
        let trainer = BpeTrainer::builder()
            .vocab_size(self.vocab_size.unwrap_or(Self::DEFAULT_BPE))
            .min_frequency(self.min_frequency)
            .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
            .special_tokens(Vec::<AddedToken>::new())
            .show_progress(false)
            .build();
        let mut failure = None;
        let lines = corpus.pieces().map_while(|piece| piece.map_err(|e| failure = Some(e)).ok());
        inner.train(&mut TrainerWrapper::from(trainer), lines.map(str::to_owned)).map_err(library)?;
        match failure {
            Some(error) => Err(error),
            None => Ok(TextTokenizer::new(inner)),
        }
    }
}

/// How often each token occurs, and which came first.
#[derive(Default)]
struct Count(HashMap<String, (u64, usize)>);

impl Count {
    fn add(&mut self, token: &str) {
        if let Some((count, _)) = self.0.get_mut(token) {
            *count += 1;
        } else {
            let first = self.0.len();
            self.0.insert(token.to_owned(), (1, first));
        }
    }

    fn sorted(self, min_frequency: u64) -> impl Iterator<Item = String> {
        let mut tokens: Vec<_> = self.0.into_iter().filter(|(_, (count, _))| *count >= min_frequency).collect();
        tokens.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
        tokens.into_iter().map(|(token, _)| token)
    }
}

fn library(error: impl std::fmt::Display) -> TextError {
    TextError::Encode { reason: one_line(error) }
}
