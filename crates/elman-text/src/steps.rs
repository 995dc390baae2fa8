//! Normalizing, cutting and decoding step by step: however a tokenizer's steps multiply a text, memory is bounded by the text.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::Serialize;
use serde_json::Value;
use tokenizers::{
    Decoder, DecoderWrapper, Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper, Result, Tokenizer as Library,
    pre_tokenizers::split::{Split, SplitPattern},
    tokenizer::normalizer::SplitDelimiterBehavior,
};

use crate::check::LONGEST_TEXT;

/// A text may become so many times as long on its way to tokens or back: NFD makes 3 bytes of one of Hangul's, and a byte is up to
/// 2 as a character.
const GROWTH: usize = 8;
/// Bytes that any text may grow by, beside that: NFKC makes 33 bytes of the 3 of "ﷺ".
const ROOM: usize = 1 << 16;

fn most(bytes: usize) -> usize {
    bytes.saturating_mul(GROWTH).saturating_add(ROOM)
}

/// The steps of a tokenizer that can make a text longer.
#[derive(Clone, Debug)]
pub(crate) struct Steps {
    normalizers: Vec<Step<NormalizerWrapper>>,
    decoders: Vec<Step<DecoderWrapper>>,
}

#[derive(Clone, Debug)]
struct Step<T> {
    part: T,
    replacing: Option<Replacing>,
}

/// What a step that replaces looks for, which the library does not tell of its own.
#[derive(Clone, Debug)]
struct Replacing {
    pattern: Split,
    content: usize,
}

impl Replacing {
    fn of(part: &impl Serialize) -> Result<Self> {
        let file = serde_json::to_value(part)?;
        let pattern: SplitPattern = serde_json::from_value(file["pattern"].clone())?;
        let pattern = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
        Ok(Self { pattern, content: file["content"].as_str().map_or(0, str::len) })
    }

    /// The length of a text after the step, or more.
    fn grown(&self, text: &str) -> usize {
        match self.content {
            0 => text.len(),
            content => text.len() + self.pattern.regex.find_iter(text).count() * content,
        }
    }
}

impl Steps {
    pub fn of(library: &Library) -> Result<Self> {
        Self::new(library.get_normalizer(), library.get_decoder())
    }

    /// Of a file's normalizer alone.
    pub fn of_normalizer(normalizer: &Value) -> Result<Self> {
        Self::new(serde_json::from_value::<Option<NormalizerWrapper>>(normalizer.clone())?.as_ref(), None)
    }

    fn new(normalizer: Option<&NormalizerWrapper>, decoder: Option<&DecoderWrapper>) -> Result<Self> {
        let mut steps = Self { normalizers: Vec::new(), decoders: Vec::new() };
        normalizer.map_or(Ok(()), |part| normalizers(part, &mut steps.normalizers))?;
        decoder.map_or(Ok(()), |part| decoders(part, &mut steps.decoders))?;
        Ok(steps)
    }

    /// The ids of a text, as `encode_fast` of the library gives them without special tokens.
    pub fn encode(&self, library: &Library, text: &str) -> Result<Vec<u32>> {
        let most = most(text.len());
        let bounded = self.bounded(most);
        let added = library.get_added_vocabulary();
        let mut text = added.extract_and_normalize((!self.normalizers.is_empty()).then_some(&bounded), text);
        bounded.check(0)?;
        library.get_pre_tokenizer().map_or(Ok(()), |part| pre_tokenize(part, &mut text, most))?;
        let model = library.get_model();
        text.tokenize(|piece| model.tokenize(piece.get()))?;
        Ok(text.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec())
    }

    /// Whether a text can be normalized.
    pub fn check_normalizer(&self, text: &str) -> Result<()> {
        self.bounded(most(text.len())).normalize(&mut text.into())
    }

    fn bounded(&self, most: usize) -> Bounded<'_> {
        Bounded { steps: &self.normalizers, most, done: AtomicUsize::new(0) }
    }

    /// The text of some tokens.
    pub fn decode(&self, mut tokens: Vec<String>) -> Result<String> {
        let length = |tokens: &[String]| tokens.iter().map(String::len).sum::<usize>();
        let most = most(length(&tokens));
        if self.decoders.is_empty() {
            return Ok(tokens.join(" "));
        }
        for Step { part, replacing } in &self.decoders {
            if let Some(replacing) = replacing
                && tokens.iter().map(|token| replacing.grown(token)).sum::<usize>() > most
            {
                return Err(too_long("decoder"));
            }
            tokens = part.decode_chain(tokens)?;
            if length(&tokens) > most {
                return Err(too_long("decoder"));
            }
        }
        Ok(tokens.concat())
    }
}

fn too_long(part: &str) -> tokenizers::Error {
    format!("the {part} makes the text more than {GROWTH} times as long").into()
}

fn normalizers(part: &NormalizerWrapper, steps: &mut Vec<Step<NormalizerWrapper>>) -> Result<()> {
    let replacing = match part {
        NormalizerWrapper::Sequence(parts) => {
            return parts.as_ref().iter().try_for_each(|part| normalizers(part, steps));
        }
        NormalizerWrapper::Replace(replace) => Some(Replacing::of(replace)?),
        _ => None,
    };
    steps.push(Step { part: part.clone(), replacing });
    Ok(())
}

fn decoders(part: &DecoderWrapper, steps: &mut Vec<Step<DecoderWrapper>>) -> Result<()> {
    let replacing = match part {
        DecoderWrapper::Sequence(parts) => {
            return parts.get_decoders().iter().try_for_each(|part| decoders(part, steps));
        }
        DecoderWrapper::Replace(replace) => Some(Replacing::of(replace)?),
        _ => None,
    };
    steps.push(Step { part: part.clone(), replacing });
    Ok(())
}

/// A normalizer that stops where the pieces of a text have become too long together. The library goes on after its error, without
/// a word, so that every piece that follows fails, too.
struct Bounded<'a> {
    steps: &'a [Step<NormalizerWrapper>],
    most: usize,
    /// Bytes of the pieces that are done; too many after an error.
    done: AtomicUsize,
}

impl Bounded<'_> {
    fn check(&self, bytes: usize) -> Result<()> {
        if self.done.load(Relaxed).saturating_add(bytes) > self.most {
            self.done.store(usize::MAX, Relaxed);
            return Err(too_long("normalizer"));
        }
        Ok(())
    }

    fn check_step(&self, Step { part, replacing }: &Step<NormalizerWrapper>, text: &str) -> Result<()> {
        // what no step exceeds is little enough to be seen afterwards
        if text.len().saturating_mul(LONGEST_TEXT + 1) <= self.most.saturating_mul(8) {
            return self.check(0);
        }
        self.check(match (part, replacing) {
            (NormalizerWrapper::Precompiled(map), _) => map.normalize_string(text).len(),
            (_, Some(replacing)) => replacing.grown(text),
            _ => 0,
        })
    }
}

impl Normalizer for Bounded<'_> {
    fn normalize(&self, text: &mut NormalizedString) -> Result<()> {
        for step in self.steps {
            self.check_step(step, text.get())?;
            step.part.normalize(text)?;
            self.check(text.get().len())?;
        }
        self.done.fetch_add(text.get().len(), Relaxed);
        Ok(())
    }
}

fn pre_tokenize(part: &PreTokenizerWrapper, text: &mut PreTokenizedString, most: usize) -> Result<()> {
    if let PreTokenizerWrapper::Sequence(parts) = part {
        return parts.as_ref().iter().try_for_each(|part| pre_tokenize(part, text, most));
    }
    part.pre_tokenize(text)?;
    if !matches!(part, PreTokenizerWrapper::ByteLevel(_) | PreTokenizerWrapper::Metaspace(_)) {
        return Ok(()); // which only cut
    }
    let pieces = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    match pieces.iter().map(|(piece, ..)| piece.len()).sum::<usize>() > most {
        true => Err(too_long("pre-tokenizer")),
        false => Ok(()),
    }
}
