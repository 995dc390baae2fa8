use std::{collections::HashMap, fs, io::Write, path::Path};

use atomic_write_file::AtomicWriteFile;
use tokenizers::Tokenizer as Library;

use crate::{decode::DecodeStream, error::TextError, pipeline::detect, unit::Unit};

/// The token of what the vocabulary does not have.
pub const UNKNOWN: &str = "<unk>";
/// The token at each line's end, of word tokenizers.
pub const END_OF_LINE: &str = "<eos>";

/// The largest `tokenizer.json` that is read; those of today's largest vocabularies have some 35 MB.
const LARGEST_FILE: u64 = 256 << 20;

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
    /// [`TextError::UnknownToken`].
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
}

/// A short way to the ids that the `tokenizers` crate would give; it is many times slower on single characters and words.
#[derive(Clone, Debug)]
enum Lookup {
    Char { ids: HashMap<char, u32>, unknown: u32 },
    Word { ids: HashMap<String, u32>, unknown: u32, end: u32 },
    Library,
}

impl TextTokenizer {
    pub(crate) fn new(library: Library) -> Self {
        let mut tokenizer = Self { unit: detect(&library), library, lookup: Lookup::Library };
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
        tokenizer
    }

    /// Reads a `tokenizer.json` of any kind that the `tokenizers` crate reads. Its settings for truncation and padding
    /// are left out, since they would change a text's tokens.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Tokenizer`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let read = |source| TextError::Read { path: path.into(), source };
        let length = fs::metadata(path).map_err(read)?.len();
        if length > LARGEST_FILE {
            let reason = format!("it has {length} bytes, and at most {LARGEST_FILE} are read");
            return Err(TextError::Tokenizer { path: path.into(), reason });
        }
        Self::from_bytes(&elman_files::read(path, LARGEST_FILE).map_err(read)?, path)
    }

    /// As [`load`](Self::load), of a file that lies in memory; `path` is where errors say that it is from.
    ///
    /// # Errors
    /// [`TextError::Tokenizer`].
    pub fn from_bytes(bytes: &[u8], path: impl AsRef<Path>) -> Result<Self, TextError> {
        let path = path.as_ref();
        let failed = |reason: String| TextError::Tokenizer { path: path.into(), reason };
        let mut library = Library::from_bytes(bytes).map_err(|e| failed(one_line(e)))?;
        library.with_truncation(None).map_err(|e| failed(one_line(e)))?.with_padding(None);
        let (count, largest) = (library.get_vocab_size(true), library.get_vocab(true).into_values().max());
        match largest {
            None => Err(failed("its vocabulary is empty".into())),
            Some(largest) if largest as usize >= count => {
                Err(failed(format!("it has {count} tokens, but an id of {largest}: ids must be 0 to {}", count - 1)))
            }
            Some(_) => Ok(Self::new(library)),
        }
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
        let mut file = AtomicWriteFile::open(path).map_err(failed)?;
        file.write_all(json.as_bytes()).map_err(failed)?;
        file.commit().map_err(failed)
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
            Lookup::Library => {
                let encoding = self.library.encode_fast(text, false);
                let encoding = encoding.map_err(|e| TextError::Encode { reason: one_line(e) })?;
                Ok(encoding.get_ids().to_vec())
            }
        }
    }

    fn decode(&self, ids: &[u32]) -> Result<String, TextError> {
        let vocabulary = self.vocab_size();
        if let Some(&id) = ids.iter().find(|id| self.library.id_to_token(**id).is_none()) {
            return Err(TextError::UnknownToken { id, vocabulary });
        }
        if self.unit != Unit::Word {
            return self.library.decode(ids, false).map_err(|e| TextError::Encode { reason: one_line(e) });
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

pub(crate) fn one_line(error: impl std::fmt::Display) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
