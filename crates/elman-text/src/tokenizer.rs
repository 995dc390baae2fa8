use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    path::Path,
};

use elman_files::one_line;
use serde_json::Value;
use tokenizers::{Model, ModelWrapper, Tokenizer as Library};

use crate::{
    check::{check, check_size},
    decode::DecodeStream,
    error::TextError,
    guard::guarded,
    pipeline::detect,
    steps::Steps,
    unit::Unit,
};

/// The unknown token of character and word tokenizers that [`TokenizerConfig`](crate::TokenizerConfig) trains; for
/// other tokenizers see [`TextTokenizer::unknown_id`].
pub const UNKNOWN: &str = "<unk>";
/// The token for a line feed in word tokenizers.
pub const END_OF_LINE: &str = "<eos>";

/// Maximum size of a `tokenizer.json`; the largest known ones have about 35 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;

/// Maximum length of an error reason in bytes.
const MAX_REASON_BYTES: usize = 240;

/// A text with many kinds of characters, encoded and decoded as a check when a tokenizer loads.
const PROBE: &str = "A probe: 12 naïve cats\u{2014}猫 ﬁnd 🦀.\n";

/// Converts text to token ids and back.
pub trait Tokenizer: Send + Sync {
    /// Encodes a text. Encoding chunks separately gives the same ids if the text is cut before white space that follows
    /// a word.
    ///
    /// # Errors
    /// [`TextError::Encode`].
    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError>;

    /// Decodes ids to text.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`], [`TextError::Encode`].
    fn decode(&self, ids: &[u32]) -> Result<String, TextError>;

    /// Vocabulary size; all ids are below it.
    fn vocab_size(&self) -> usize;

    /// The id of a token.
    fn token_to_id(&self, token: &str) -> Option<u32>;

    /// The token of an id.
    fn id_to_token(&self, id: u32) -> Option<String>;

    /// The kind of token.
    fn unit(&self) -> Unit;
}

/// A tokenizer in the format of a Hugging Face `tokenizer.json`.
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    library: Library,
    unit: Unit,
    lookup: Lookup,
    steps: Steps,
    unknown: Option<u32>,
    special: HashSet<u32>,
}

/// A fast path with the same result as the `tokenizers` crate, which is many times slower on single characters and
/// words.
#[derive(Clone, Debug)]
enum Lookup {
    Char { ids: HashMap<char, u32>, unknown: u32 },
    Word { ids: HashMap<String, u32>, unknown: u32, end: u32 },
    Library,
}

impl TextTokenizer {
    /// `unknown` is the id of a unigram model's unknown token, which the library does not expose.
    pub(crate) fn new(library: Library, unknown: Option<u32>) -> tokenizers::Result<Self> {
        let (unit, steps) = (detect(&library), Steps::from_library(&library)?);
        let own = match library.get_model() {
            ModelWrapper::WordLevel(model) => Some(&model.unk_token),
            ModelWrapper::WordPiece(model) => Some(&model.unk_token),
            ModelWrapper::BPE(model) => model.unk_token.as_ref(),
            ModelWrapper::Unigram(_) => None,
        };
        let unknown = own.map_or(unknown, |token| library.get_model().token_to_id(token));
        let added = library.get_added_vocabulary().get_added_tokens_decoder();
        let special = added.iter().filter(|(_, token)| token.special).map(|(id, _)| *id);
        let end = library.token_to_id(END_OF_LINE).filter(|_| unit == Unit::Word);
        let special = special.chain(end).collect();
        let mut tokenizer = Self { unit, library, lookup: Lookup::Library, steps, unknown, special };
        let vocabulary = || tokenizer.library.get_vocab(true);
        let unknown = tokenizer.library.token_to_id(UNKNOWN);
        let end = tokenizer.library.token_to_id(END_OF_LINE);
        tokenizer.lookup = match (tokenizer.unit, unknown, end) {
            (Unit::Char, Some(unknown), _) => {
                let single = |token: &str| token.chars().next().filter(|c| c.len_utf8() == token.len());
                Lookup::Char {
                    ids: vocabulary().iter().filter_map(|(t, id)| Some((single(t)?, *id))).collect(),
                    unknown,
                }
            }
            (Unit::Word, Some(unknown), Some(end)) => Lookup::Word { ids: vocabulary(), unknown, end },
            _ => Lookup::Library,
        };
        Ok(tokenizer)
    }

    /// Reads a `tokenizer.json` of any kind that the `tokenizers` crate supports. Truncation, padding and dropout are
    /// ignored, since they would change the tokens of a text.
    ///
    /// Untrusted files are safe to load: inserted texts are limited to 64 bytes, patterns to 4,096 bytes, tokens of a
    /// unigram model to 512 bytes, steps to 256 at a nesting depth of 16, and regular expressions to 32. A text that
    /// the steps expand to more than 8 times its length plus 64 KiB is an error, and so is a panic in that crate.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Tokenizer`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let read = |source| TextError::Read { path: path.into(), source };
        Self::from_bytes(&elman_files::read(path, MAX_FILE_BYTES).map_err(read)?, path)
    }

    /// Like [`load`](Self::load), from memory; `path` is used only in errors.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`].
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let failed = |mut reason: String| {
            // the library may quote the whole file
            reason.truncate(reason.floor_char_boundary(MAX_REASON_BYTES));
            TextError::Tokenizer { path: path.into(), reason }
        };
        let load = AssertUnwindSafe(|| Self::checked(bytes));
        guarded(load).map_err(|panic| failed(format!("it causes a panic: {panic}")))?.map_err(failed)
    }

    fn checked(bytes: &[u8]) -> Result<Self, String> {
        check_size(bytes)?;
        let mut file: Value = serde_json::from_slice(bytes).map_err(one_line)?;
        check(&file)?;
        for setting in ["truncation", "padding"] {
            file.as_object_mut().and_then(|file| file.remove(setting));
        }
        if let Some(model) = file.get_mut("model").and_then(Value::as_object_mut) {
            model.remove("dropout");
        }
        // the library normalizes added tokens while loading
        let steps = Steps::from_normalizer(&file["normalizer"]).map_err(one_line)?;
        let added = file["added_tokens"].as_array().into_iter().flatten();
        let mut normalized =
            added.filter(|token| token["normalized"] == true).filter_map(|token| token["content"].as_str());
        normalized.try_for_each(|text| steps.check_normalizer(text)).map_err(one_line)?;
        let unknown = file["model"]["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let library: Library = serde_json::from_value(file).map_err(one_line)?;
        let (count, largest) = (library.get_vocab_size(true), library.get_vocab(true).into_values().max());
        match largest {
            None => return Err("the vocabulary is empty".into()),
            Some(largest) if largest as usize >= count => {
                return Err(format!("it has {count} tokens but the id {largest}: ids must be 0 to {}", count - 1));
            }
            Some(_) => {}
        }
        let tokenizer = Self::new(library, unknown).map_err(one_line)?;
        // reports panics at load time; other encoding errors do not make the file invalid
        let ids = tokenizer.steps.encode(&tokenizer.library, PROBE).unwrap_or_default();
        let _ = tokenizer.decode_unguarded(&ids);
        Ok(tokenizer)
    }

    /// Writes `tokenizer.json`, replacing the file atomically.
    ///
    /// # Errors
    /// [`TextError::Write`], [`TextError::Tokenizer`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TextError> {
        let path = path.as_ref();
        let json = self.library.to_string(true);
        let json = json.map_err(|e| TextError::Tokenizer { path: path.into(), reason: one_line(e) })?;
        let failed = |source| TextError::Write { path: path.into(), source };
        elman_files::replace(path, json.as_bytes()).map_err(failed)
    }

    /// The id of the unknown token: `<unk>` for tokenizers trained by this crate, `[UNK]` for most BERT tokenizers, or
    /// the one that the file names. `None` if nothing is unknown (byte-level models) or unknown text is dropped.
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown
    }

    /// Whether any of the tokens carries information: is neither the unknown token, nor special, nor [`END_OF_LINE`] of
    /// a word tokenizer.
    pub fn knows(&self, ids: &[u32]) -> bool {
        ids.iter().any(|id| Some(*id) != self.unknown && !self.special.contains(id))
    }

    fn decode_unguarded(&self, ids: &[u32]) -> tokenizers::Result<String> {
        let token = |id: &u32| self.library.id_to_token(*id);
        self.steps.decode(ids.iter().filter_map(token).collect())
    }

    /// A streaming decoder, which receives one id at a time.
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream::new(self)
    }
}

impl Tokenizer for TextTokenizer {
    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError> {
        match &self.lookup {
            Lookup::Char { ids, unknown } => Ok(text.chars().map(|c| *ids.get(&c).unwrap_or(unknown)).collect()),
            Lookup::Word { ids, unknown, end } => {
                let id = |word: &str| *ids.get(word).unwrap_or(unknown);
                let mut out = Vec::new();
                for line in text.split_inclusive('\n') {
                    out.extend(line.split_whitespace().map(id));
                    if line.ends_with('\n') {
                        out.push(*end);
                    }
                }
                Ok(out)
            }
            Lookup::Library => library_code(|| self.steps.encode(&self.library, text)),
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        if let Some(&id) = ids.iter().find(|id| self.library.id_to_token(**id).is_none()) {
            return Err(TextError::UnknownToken { id, vocabulary: self.vocab_size() });
        }
        if ids.is_empty() {
            return Ok(String::new());
        }
        if self.unit != Unit::Word {
            return library_code(|| self.decode_unguarded(ids));
        }
        let mut text = String::new();
        for id in ids {
            let word = self.id_to_token(*id).unwrap_or_default();
            if word == END_OF_LINE {
                text.push('\n');
                continue;
            }
            if !text.is_empty() && !text.ends_with('\n') {
                text.push(' ');
            }
            text += &word;
        }
        Ok(text)
    }

    fn vocab_size(&self) -> usize {
        self.library.get_vocab_size(true)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.library.token_to_id(token)
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.library.id_to_token(id)
    }

    fn unit(&self) -> Unit {
        self.unit
    }
}

/// Runs library code, which may panic for damaged files.
fn library_code<T>(f: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TextError> {
    match guarded(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| TextError::Encode { reason: one_line(e) }),
        Err(panic) => Err(TextError::Encode { reason: format!("it panicked: {panic}") }),
    }
}
