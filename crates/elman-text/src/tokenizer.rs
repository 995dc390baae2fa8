use std::{
    collections::{HashMap, HashSet},
    panic::AssertUnwindSafe,
    path::Path,
};

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

/// The token of what the vocabulary does not have, of tokenizers of characters and words that are trained here; see
/// [`TextTokenizer::unknown_id`] for those from elsewhere.
pub const UNKNOWN: &str = "<unk>";
/// The token at each line's end, of word tokenizers.
pub const END_OF_LINE: &str = "<eos>";

/// The largest `tokenizer.json` that is read; those of today's largest vocabularies have some 35 MB.
const LARGEST_FILE: u64 = 256 << 20;

/// The most bytes of a reason that is told.
const LONGEST_REASON: usize = 240;

/// A text of many kinds of characters.
const PROBE: &str = "A probe: 12 naïve cats\u{2014}猫 ﬁnd 🦀.\n";

/// Text to token ids and back.
pub trait Tokenizer: Send + Sync {
    /// The ids of a text. Those of its pieces are the same if it is cut before white space that follows a word.
    ///
    /// # Errors
    /// [`TextError::Encode`].
    fn encode(&self, text: &str) -> Result<Vec<u32>, TextError>;

    /// The text of some ids.
    ///
    /// # Errors
    /// [`TextError::UnknownToken`], [`TextError::Encode`].
    fn decode(&self, ids: &[u32]) -> Result<String, TextError>;

    /// How many tokens there are; ids are below it.
    fn vocab_size(&self) -> usize;

    /// The id of a token.
    fn token_to_id(&self, token: &str) -> Option<u32>;

    /// The token of an id.
    fn id_to_token(&self, id: u32) -> Option<String>;

    /// What a token is.
    fn unit(&self) -> Unit;
}

/// A tokenizer that is saved as a Hugging Face `tokenizer.json`.
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    library: Library,
    unit: Unit,
    lookup: Lookup,
    steps: Steps,
    unknown: Option<u32>,
    special: HashSet<u32>,
}

/// A short way to the ids that the `tokenizers` crate would give; it is many times slower on single characters and words.
#[derive(Clone, Debug)]
enum Lookup {
    Char { ids: HashMap<char, u32>, unknown: u32 },
    Word { ids: HashMap<String, u32>, unknown: u32, end: u32 },
    Library,
}

impl TextTokenizer {
    /// `unknown` is the id of a unigram model's unknown token, which the library keeps to itself.
    pub(crate) fn new(library: Library, unknown: Option<u32>) -> tokenizers::Result<Self> {
        let (unit, steps) = (detect(&library), Steps::of(&library)?);
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

    /// Reads a `tokenizer.json` of any kind that the `tokenizers` crate reads. Its settings for truncation, padding and
    /// dropout are left out, since they would change a text's tokens.
    ///
    /// A file from elsewhere cannot do harm: texts that it puts into others have at most 64 bytes, patterns 4,096, tokens of a
    /// unigram model 512; there are at most 256 steps, nested 16 deep, and 32 regular expressions. A text that the steps make
    /// more than 8 times as long (and 64 KiB) is an error, and so is whatever panics in that crate.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Tokenizer`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let read = |source| TextError::Read { path: path.into(), source };
        Self::from_bytes(&elman_files::read(path, LARGEST_FILE).map_err(read)?, path)
    }

    /// As [`load`](Self::load), of a file that lies in memory; `path` is where errors say that it is from.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`].
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let failed = |mut reason: String| {
            // the library's reasons quote what may be the whole file
            reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
            TextError::Tokenizer { path: path.into(), reason }
        };
        let load = AssertUnwindSafe(|| Self::checked(bytes));
        guarded(load).map_err(|panic| failed(format!("it panics: {panic}")))?.map_err(failed)
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
        // the library normalizes added tokens as it loads them
        let steps = Steps::of_normalizer(&file["normalizer"]).map_err(one_line)?;
        let added = file["added_tokens"].as_array().into_iter().flatten();
        let mut normalized =
            added.filter(|token| token["normalized"] == true).filter_map(|token| token["content"].as_str());
        normalized.try_for_each(|text| steps.check_normalizer(text)).map_err(one_line)?;
        let unknown = file["model"]["unk_id"].as_u64().and_then(|id| u32::try_from(id).ok());
        let library: Library = serde_json::from_value(file).map_err(one_line)?;
        let (count, largest) = (library.get_vocab_size(true), library.get_vocab(true).into_values().max());
        match largest {
            None => return Err("its vocabulary is empty".into()),
            Some(largest) if largest as usize >= count => {
                return Err(format!("it has {count} tokens, but an id of {largest}: ids must be 0 to {}", count - 1));
            }
            Some(_) => {}
        }
        let tokenizer = Self::new(library, unknown).map_err(one_line)?;
        // what panics with any text is told now; a text that has no tokens is no fault of the file
        let ids = tokenizer.steps.encode(&tokenizer.library, PROBE).unwrap_or_default();
        let _ = tokenizer.decode_unguarded(&ids);
        Ok(tokenizer)
    }

    /// Writes `tokenizer.json`, replacing the file at once or not at all.
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

    /// The id of the token that stands for whatever the vocabulary does not have: `<unk>` of tokenizers that are trained here,
    /// `[UNK]` of most of BERT's kind, or what the file says. None where nothing is unknown (bytes) or what is unknown is
    /// left out.
    pub fn unknown_id(&self) -> Option<u32> {
        self.unknown
    }

    /// Whether some tokens tell anything about a text: one of them at least is neither the unknown token, nor special, nor
    /// [`END_OF_LINE`] of a tokenizer of words.
    pub fn knows(&self, ids: &[u32]) -> bool {
        ids.iter().any(|id| Some(*id) != self.unknown && !self.special.contains(id))
    }

    fn decode_unguarded(&self, ids: &[u32]) -> tokenizers::Result<String> {
        let token = |id: &u32| self.library.id_to_token(*id);
        self.steps.decode(ids.iter().filter_map(token).collect())
    }

    /// A decoder for ids that come one at a time.
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

/// Runs code of the library, which panics where a file is damaged.
fn library_code<T>(f: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, TextError> {
    match guarded(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| TextError::Encode { reason: one_line(e) }),
        Err(panic) => Err(TextError::Encode { reason: format!("it panicked: {panic}") }),
    }
}

pub(crate) fn one_line(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
