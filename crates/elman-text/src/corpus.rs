use std::{
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    error::TextError,
    find::{Find, FoundFile, LeftOut},
    input::{self, Encoding, Stamp, Text, Watched},
    lines::Lines,
    pieces::Pieces,
    tokenizer::Tokenizer,
    tokens::Tokens,
    unit::Unit,
};

/// Text files that are streamed in chunks, any number of times: a corpus may be larger than memory.
///
/// Modifying a file between opening and the last read is an error ([`TextError::Changed`]). Appending is not: the file
/// is read up to its length when it was opened.
///
/// A byte order mark at the beginning of a file selects UTF-8 or UTF-16, and is skipped. Line endings are preserved:
/// the `\r` of a `\r\n` is an ordinary character, and white space to word tokenizers.
#[derive(Clone, Debug)]
pub struct Corpus {
    files: Files,
    encoding: Encoding,
    left_out: Vec<Arc<[LeftOut]>>,
}

impl Corpus {
    /// Opens files, and the text files of directories, recursively and sorted by name, as [`Find::new`] finds them.
    /// Files of directories are read once, and left out if they are unreadable or contain invalid text.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Empty`] for an explicitly named empty file, [`TextError::NoFiles`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, TextError> {
        Self::open_with(&Find::new(), paths)
    }

    /// Like [`open`](Self::open), with other settings for directories.
    ///
    /// # Errors
    /// Same as `open`.
    pub fn open_with<P: AsRef<Path>>(find: &Find, paths: impl IntoIterator<Item = P>) -> Result<Self, TextError> {
        let (files, left_out) = open_all(find, paths)?;
        Ok(Self { files, encoding: find.encoding(), left_out: vec![left_out.into()] })
    }

    /// Appends the files of another corpus.
    #[must_use]
    pub fn chain(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.left_out.extend(other.left_out);
        self
    }

    /// The files and directories that were left out, with reasons.
    pub fn left_out(&self) -> impl Iterator<Item = &LeftOut> + Clone {
        self.left_out.iter().flat_map(|left_out| left_out.iter())
    }

    /// The files, in reading order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Splits the corpus into one per file. Change detection still compares with the state at opening.
    pub fn by_file(&self) -> impl Iterator<Item = Self> {
        self.files.iter().map(|file| Self {
            files: vec![file.clone()],
            encoding: self.encoding,
            left_out: self.left_out.clone(),
        })
    }

    /// Total size of the files in bytes, known without reading them.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, stamp)| stamp.bytes()).sum()
    }

    /// Size of the text in UTF-8 without byte order marks; reads the files in other encodings.
    ///
    /// # Errors
    /// Those of an item of [`pieces`](Self::pieces).
    pub fn text_bytes(&self) -> Result<u64, TextError> {
        let mut bytes = 0;
        for (path, stamp) in &self.files {
            let length = self.open_text(path, *stamp).and_then(|mut text| match text.is_decoded {
                true => io::copy(&mut text.reader, &mut io::sink()),
                false => Ok(stamp.bytes() - text.mark),
            });
            bytes += length.map_err(|error| TextError::reading(path, error))?;
        }
        Ok(bytes)
    }

    /// Counts characters, lines and UTF-8 bytes of the text without byte order marks; reads all files.
    ///
    /// # Errors
    /// Those of an item of [`pieces`](Self::pieces).
    pub fn count(&self) -> Result<TextCounts, TextError> {
        let mut counts = TextCounts::default();
        for file in self.by_file() {
            let mut ended = true;
            for piece in file.pieces() {
                let piece = piece?;
                counts.bytes += piece.len() as u64;
                counts.characters += piece.chars().count() as u64;
                counts.lines += piece.bytes().filter(|byte| *byte == b'\n').count() as u64;
                ended = piece.ends_with('\n');
            }
            counts.lines += u64::from(!ended);
        }
        Ok(counts)
    }

    /// The text in chunks of about 64 KiB, cut before white space that follows a word, or at the end of a file. A word
    /// longer than 1 MiB is cut between two characters.
    ///
    /// # Errors
    /// An item is [`TextError::NotText`], [`TextError::Changed`] or [`TextError::Read`] if reading a file stops there.
    pub fn pieces(&self) -> impl Iterator<Item = Result<String, TextError>> {
        self.each(Pieces::new)
    }

    /// The lines of the text without line endings, as in [`Lines`].
    ///
    /// # Errors
    /// Same as [`pieces`](Self::pieces).
    pub fn lines(&self) -> impl Iterator<Item = Result<String, TextError>> {
        self.each(Lines::from_text)
    }

    /// Encodes the whole corpus. Word tokenizers add [`END_OF_LINE`](crate::END_OF_LINE) to the last line of each file
    /// even if it lacks a line feed.
    ///
    /// # Errors
    /// Those of an item of [`pieces`](Self::pieces), and [`TextError::Encode`].
    pub fn encode(&self, tokenizer: &dyn Tokenizer) -> Result<Tokens, TextError> {
        let mut tokens = Tokens::new();
        for file in self.by_file() {
            let mut ended = true;
            for piece in file.pieces() {
                let piece = piece?;
                tokens.extend(&tokenizer.encode(&piece)?, piece.chars().count(), piece.len());
                ended = piece.ends_with('\n');
            }
            if !ended && tokenizer.unit() == Unit::Word {
                tokens.extend(&tokenizer.encode("\n")?, 0, 0);
            }
        }
        Ok(tokens)
    }

    fn open_text(&self, path: &Path, stamp: Stamp) -> io::Result<Text> {
        Watched::reopen(path, stamp).and_then(|file| input::text(file, self.encoding))
    }

    fn each<'a, I>(&'a self, read: fn(&'a Path, Text) -> I) -> impl Iterator<Item = Result<String, TextError>>
    where
        I: Iterator<Item = Result<String, TextError>> + 'a,
    {
        self.files.iter().flat_map(move |(path, stamp)| {
            let (read, failed) = match self.open_text(path, *stamp) {
                Ok(text) => (Some(read(path, text)), None),
                Err(error) => (None, Some(Err(TextError::reading(path, error)))),
            };
            read.into_iter().flatten().chain(failed)
        })
    }
}

/// The length of a text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCounts {
    /// Bytes.
    pub bytes: u64,
    /// Characters (Unicode scalar values), line ends included.
    pub characters: u64,
    /// Lines; the last line of a file counts with or without a line feed.
    pub lines: u64,
}

/// Files with their state at opening.
type Files = Vec<(PathBuf, Stamp)>;

/// Opens the named files and those of directories.
fn open_all<P: AsRef<Path>>(
    find: &Find,
    paths: impl IntoIterator<Item = P>,
) -> Result<(Files, Vec<LeftOut>), TextError> {
    let paths: Vec<P> = paths.into_iter().collect();
    let mut found = find.find(&paths)?;
    let mut files = Vec::with_capacity(found.files.len());
    let mut given = vec![false; paths.len()];
    for FoundFile { path, given: index, is_in_folder } in found.files {
        let (stamp, beginning) = open(&path)?;
        if !is_in_folder && !find.encoding().has_text(&beginning) {
            return Err(TextError::Empty { path });
        }
        match if is_in_folder { read(&path, stamp, find.encoding()) } else { Ok(()) } {
            Err(error) => found.left_out.push(LeftOut::from_error(error)?),
            Ok(()) => {
                given[index] = true;
                files.push((path, stamp));
            }
        }
    }
    match paths.iter().zip(given).find(|(path, given)| !given && path.as_ref().is_dir()) {
        Some((dir, _)) => Err(no_files(dir.as_ref(), found.left_out)),
        None => Ok((files, found.left_out)),
    }
}

/// The error for a directory without text files.
fn no_files(dir: &Path, left_out: Vec<LeftOut>) -> TextError {
    let within: Vec<LeftOut> = left_out.into_iter().filter(|left_out| left_out.path.starts_with(dir)).collect();
    let left_out = within.len();
    within.into_iter().find_map(LeftOut::into_error).unwrap_or(TextError::NoFiles { path: dir.into(), left_out })
}

/// Reads the text of a file to the end, to validate it.
fn read(path: &Path, stamp: Stamp, encoding: Encoding) -> Result<(), TextError> {
    let text = Watched::reopen(path, stamp).and_then(|file| input::text(file, encoding));
    let text = text.map_err(|error| TextError::reading(path, error))?;
    Pieces::new(path, text).try_for_each(|piece| piece.map(drop))
}

/// The state of a file, and its first bytes.
fn open(path: &Path) -> Result<(Stamp, Vec<u8>), TextError> {
    let read = || -> io::Result<_> {
        let (file, stamp) = Watched::with_stamp(path)?;
        let mut beginning = Vec::new();
        file.take(BEGINNING).read_to_end(&mut beginning)?;
        Ok((stamp, beginning))
    };
    read().map_err(|error| TextError::reading(path, error))
}

/// Bytes that are inspected to classify a file.
pub(crate) const BEGINNING: u64 = 8192;
