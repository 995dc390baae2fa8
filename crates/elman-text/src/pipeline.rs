//! The components of the `tokenizer.json` files that this crate trains; [`detect`] recognizes them.

use tokenizers::{
    ModelWrapper, NormalizerWrapper, PreTokenizerWrapper, Result, Tokenizer as Library,
    decoders::{byte_level::ByteLevel as ByteLevelDecoder, fuse::Fuse},
    models::{bpe::BPE, wordlevel::WordLevel},
    normalizers::replace::Replace,
    pre_tokenizers::{
        byte_level::ByteLevel,
        fixed_length::FixedLength,
        sequence::Sequence,
        split::{Split, SplitPattern},
        whitespace::WhitespaceSplit,
    },
    tokenizer::normalizer::SplitDelimiterBehavior,
};

use crate::{
    tokenizer::{END_OF_LINE, UNKNOWN},
    unit::Unit,
};

/// A tokenizer whose tokens are single characters.
pub(crate) fn characters(model: WordLevel) -> Result<Library> {
    let mut library = Library::new(model);
    library.with_pre_tokenizer(Some(every_character()?));
    library.with_decoder(Some(Fuse::default()));
    Ok(library)
}

/// A tokenizer whose tokens are words delimited by white space, and [`END_OF_LINE`] for each line feed.
pub(crate) fn words(model: WordLevel) -> Result<Library> {
    let mut library = Library::new(model);
    library.with_normalizer(Some(line_ends()?))?;
    library.with_pre_tokenizer(Some(WhitespaceSplit));
    Ok(library)
}

/// GPT-2's byte-level BPE, without a prefix space.
pub(crate) fn byte_pairs(model: BPE) -> Library {
    let mut library = Library::new(model);
    library.with_pre_tokenizer(Some(byte_level()));
    library.with_decoder(Some(ByteLevelDecoder::default()));
    library
}

/// Pre-tokenizer for training merges: that of [`byte_pairs`], with words split into at most `max_bytes` bytes.
pub(crate) fn bounded_words(max_bytes: usize) -> Sequence {
    Sequence::new(vec![byte_level().into(), FixedLength::new(max_bytes).into()])
}

/// The kind of token of a tokenizer; [`Unit::Char`] and [`Unit::Word`] only if it is equivalent to [`characters`] or
/// [`words`].
pub(crate) fn detect(library: &Library) -> Unit {
    let plain = library.get_added_vocabulary().is_empty();
    match (library.get_model(), library.get_normalizer(), library.get_pre_tokenizer()) {
        (ModelWrapper::WordLevel(model), None, Some(PreTokenizerWrapper::Split(split)))
            if plain && model.unk_token == UNKNOWN && every_character().is_ok_and(|ours| *split == ours) =>
        {
            Unit::Char
        }
        (
            ModelWrapper::WordLevel(model),
            Some(NormalizerWrapper::Replace(replace)),
            Some(PreTokenizerWrapper::WhitespaceSplit(_)),
        ) if plain && model.unk_token == UNKNOWN && line_ends().is_ok_and(|ours| *replace == ours) => Unit::Word,
        (ModelWrapper::BPE(_), _, Some(PreTokenizerWrapper::ByteLevel(_))) => Unit::Bpe,
        _ => Unit::Other,
    }
}

pub(crate) fn byte_level() -> ByteLevel {
    ByteLevel::new(false, false, true)
}

/// `[\s\S]` instead of `(?s).`, which Oniguruma, the regex engine of Python's `tokenizers`, does not support.
fn every_character() -> Result<Split> {
    Split::new(SplitPattern::Regex(r"[\s\S]".into()), SplitDelimiterBehavior::Isolated, false)
}

fn line_ends() -> Result<Replace> {
    Replace::new("\n", format!(" {END_OF_LINE} "))
}
