//! Runs normalizers, pre-tokenizers and decoders step by step, so that memory stays proportional to the text even if a
//! tokenizer's steps expand it.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::Serialize;
use serde_json::Value;
use tokenizers::{
    Decoder, DecoderWrapper, Model, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer, PreTokenizerWrapper, Result, Tokenizer as Library,
    pre_tokenizers::split::{Split, SplitPattern},
    tokenizer::normalizer::SplitDelimiterBehavior,
};

use crate::check::MAX_TEXT_BYTES;

/// Maximum growth factor of a text while encoding or decoding. Legitimate steps need less: NFD triples Hangul
/// syllables, and the byte-level alphabet takes up to 2 bytes per byte.
const GROWTH: usize = 8;
/// Additional growth in bytes, for short texts: NFKC expands the 3 bytes of "ﷺ" to 33.
const EXTRA: usize = 1 << 16;

fn max_len(bytes: usize) -> usize {
    bytes.saturating_mul(GROWTH).saturating_add(EXTRA)
}

/// The steps of a tokenizer that can expand a text.
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

/// Pattern and replacement length of a `Replace` step, which the library does not expose.
#[derive(Clone, Debug)]
struct Replacing {
    pattern: Split,
    content: usize,
}

impl Replacing {
    fn new(part: &impl Serialize) -> Result<Self> {
        let file = serde_json::to_value(part)?;
        let pattern: SplitPattern = serde_json::from_value(file["pattern"].clone())?;
        let pattern = Split::new(pattern, SplitDelimiterBehavior::Isolated, false)?;
        Ok(Self { pattern, content: file["content"].as_str().map_or(0, str::len) })
    }

    /// Upper bound of the length of a text after the step.
    fn expanded_len(&self, text: &str) -> usize {
        match self.content {
            0 => text.len(),
            content => text.len() + self.pattern.regex.find_iter(text).count() * content,
        }
    }
}

impl Steps {
    pub fn from_library(library: &Library) -> Result<Self> {
        Self::new(library.get_normalizer(), library.get_decoder())
    }

    /// Steps of a normalizer only.
    pub fn from_normalizer(normalizer: &Value) -> Result<Self> {
        Self::new(serde_json::from_value::<Option<NormalizerWrapper>>(normalizer.clone())?.as_ref(), None)
    }

    fn new(normalizer: Option<&NormalizerWrapper>, decoder: Option<&DecoderWrapper>) -> Result<Self> {
        let mut steps = Self { normalizers: Vec::new(), decoders: Vec::new() };
        normalizer.map_or(Ok(()), |part| normalizers(part, &mut steps.normalizers))?;
        decoder.map_or(Ok(()), |part| decoders(part, &mut steps.decoders))?;
        Ok(steps)
    }

    /// Encodes a text, with the same ids as the library's `encode_fast` without special tokens.
    pub fn encode(&self, library: &Library, text: &str) -> Result<Vec<u32>> {
        let max = max_len(text.len());
        let bounded = self.bounded(max);
        let added = library.get_added_vocabulary();
        let mut text = added.extract_and_normalize((!self.normalizers.is_empty()).then_some(&bounded), text);
        bounded.check(0)?;
        library.get_pre_tokenizer().map_or(Ok(()), |part| pre_tokenize(part, &mut text, max))?;
        let model = library.get_model();
        text.tokenize(|piece| model.tokenize(piece.get()))?;
        Ok(text.into_encoding(None, 0, OffsetType::None)?.get_ids().to_vec())
    }

    /// Checks that a text can be normalized within the bound.
    pub fn check_normalizer(&self, text: &str) -> Result<()> {
        self.bounded(max_len(text.len())).normalize(&mut text.into())
    }

    fn bounded(&self, max: usize) -> Bounded<'_> {
        Bounded { steps: &self.normalizers, max, done: AtomicUsize::new(0) }
    }

    /// Decodes tokens to text.
    pub fn decode(&self, mut tokens: Vec<String>) -> Result<String> {
        let length = |tokens: &[String]| tokens.iter().map(String::len).sum::<usize>();
        let max = max_len(length(&tokens));
        if self.decoders.is_empty() {
            return Ok(tokens.join(" "));
        }
        for Step { part, replacing } in &self.decoders {
            if let Some(replacing) = replacing
                && tokens.iter().map(|token| replacing.expanded_len(token)).sum::<usize>() > max
            {
                return Err(too_long("decoder"));
            }
            tokens = part.decode_chain(tokens)?;
            if length(&tokens) > max {
                return Err(too_long("decoder"));
            }
        }
        Ok(tokens.concat())
    }
}

fn too_long(part: &str) -> tokenizers::Error {
    format!("the {part} expands the text to more than {GROWTH} times its length").into()
}

fn normalizers(part: &NormalizerWrapper, steps: &mut Vec<Step<NormalizerWrapper>>) -> Result<()> {
    let replacing = match part {
        NormalizerWrapper::Sequence(parts) => {
            return parts.as_ref().iter().try_for_each(|part| normalizers(part, steps));
        }
        NormalizerWrapper::Replace(replace) => Some(Replacing::new(replace)?),
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
        DecoderWrapper::Replace(replace) => Some(Replacing::new(replace)?),
        _ => None,
    };
    steps.push(Step { part: part.clone(), replacing });
    Ok(())
}

/// A normalizer that fails once the total length of a text's pieces exceeds `max`. The library silently continues after
/// an error, so all later pieces fail, too.
struct Bounded<'a> {
    steps: &'a [Step<NormalizerWrapper>],
    max: usize,
    /// Bytes of the finished pieces; `usize::MAX` after an error.
    done: AtomicUsize,
}

impl Bounded<'_> {
    fn check(&self, bytes: usize) -> Result<()> {
        if self.done.load(Relaxed).saturating_add(bytes) > self.max {
            self.done.store(usize::MAX, Relaxed);
            return Err(too_long("normalizer"));
        }
        Ok(())
    }

    fn check_step(&self, Step { part, replacing }: &Step<NormalizerWrapper>, text: &str) -> Result<()> {
        // no step can expand this text beyond the bound by much, so checking afterwards is enough
        if text.len().saturating_mul(MAX_TEXT_BYTES + 1) <= self.max.saturating_mul(8) {
            return self.check(0);
        }
        self.check(match (part, replacing) {
            (NormalizerWrapper::Precompiled(map), _) => map.normalize_string(text).len(),
            (_, Some(replacing)) => replacing.expanded_len(text),
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

fn pre_tokenize(part: &PreTokenizerWrapper, text: &mut PreTokenizedString, max: usize) -> Result<()> {
    if let PreTokenizerWrapper::Sequence(parts) = part {
        return parts.as_ref().iter().try_for_each(|part| pre_tokenize(part, text, max));
    }
    part.pre_tokenize(text)?;
    if !matches!(part, PreTokenizerWrapper::ByteLevel(_) | PreTokenizerWrapper::Metaspace(_)) {
        return Ok(()); // these only split
    }
    let pieces = text.get_splits(OffsetReferential::Normalized, OffsetType::Byte);
    match pieces.iter().map(|(piece, ..)| piece.len()).sum::<usize>() > max {
        true => Err(too_long("pre-tokenizer")),
        false => Ok(()),
    }
}
