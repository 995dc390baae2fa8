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

/// Text files that are read piece by piece, as often as needed: a corpus may be larger than memory.
///
/// A file that something else writes to between its opening and the end of the last reading is an error
/// ([`TextError::Changed`]). One that grows at its end is not: it is read up to the end that it had when it was opened.
///
/// A byte order mark at a file's beginning says that it is UTF-8 or UTF-16, and is skipped. Line ends are kept as they are:
/// the `\r` of a `\r\n` is a character like any other, and white space to word tokenizers.
#[derive(Clone, Debug)]
pub struct Corpus {
    files: Files,
    encoding: Encoding,
    left_out: Vec<Arc<[LeftOut]>>,
}

impl Corpus {
    /// Opens files, and the text files of folders, recursively and by name, as [`Find::new`] finds them. Those of folders are
    /// read once: what is not text to its end is left out, as is what cannot be read.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Empty`] for an empty file that was named, [`TextError::NoFiles`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, TextError> {
        Self::open_with(&Find::new(), paths)
    }

    /// As [`open`](Self::open), with other files of folders.
    ///
    /// # Errors
    /// As `open`.
    pub fn open_with<P: AsRef<Path>>(find: &Find, paths: impl IntoIterator<Item = P>) -> Result<Self, TextError> {
        let (files, left_out) = opened(find, paths)?;
        Ok(Self { files, encoding: find.encoding(), left_out: vec![left_out.into()] })
    }

    /// The files of another corpus after those of this one.
    #[must_use]
    pub fn chain(mut self, other: Self) -> Self {
        self.files.extend(other.files);
        self.left_out.extend(other.left_out);
        self
    }

    /// What is left out of folders, and why.
    pub fn left_out(&self) -> impl Iterator<Item = &LeftOut> + Clone {
        self.left_out.iter().flat_map(|left_out| left_out.iter())
    }

    /// The files, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Each file on its own. What is found to have changed is the same as in the whole.
    pub fn by_file(&self) -> impl Iterator<Item = Self> {
        self.files.iter().map(|file| Self {
            files: vec![file.clone()],
            encoding: self.encoding,
            left_out: self.left_out.clone(),
        })
    }

    /// Bytes of all files, known without reading them.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, stamp)| stamp.bytes()).sum()
    }

    /// Bytes of the text in UTF-8, without byte order marks; reads the files in other encodings.
    ///
    /// # Errors
    /// As an item of [`pieces`](Self::pieces).
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

    /// Characters, lines and bytes (of UTF-8) of the text, without byte order marks; reads all of it.
    ///
    /// # Errors
    /// As an item of [`pieces`](Self::pieces).
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

    /// The text in pieces of some 64 KiB, cut before white space that follows a word, or at a file's end. A word over
    /// 1 MiB is cut between two characters.
    ///
    /// # Errors
    /// An item is [`TextError::NotText`], [`TextError::Changed`] or [`TextError::Read`] where a file's text ends for that
    /// reason.
    pub fn pieces(&self) -> impl Iterator<Item = Result<String, TextError>> {
        self.each(Pieces::new)
    }

    /// The text line by line, without line ends, as [`Lines`] has them.
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn lines(&self) -> impl Iterator<Item = Result<String, TextError>> {
        self.each(Lines::of)
    }

    /// The whole corpus as token ids. Word tokenizers end a file's last line too, as if it ended with a line's end.
    ///
    /// # Errors
    /// As an item of [`pieces`](Self::pieces), and [`TextError::Encode`].
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
        Watched::same(path, stamp).and_then(|file| input::text(file, self.encoding))
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

/// How long a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TextCounts {
    /// Bytes.
    pub bytes: u64,
    /// Characters (Unicode scalar values), line ends included.
    pub characters: u64,
    /// Lines; a file's last line counts with or without a line's end.
    pub lines: u64,
}

/// Files, and what they were like when they were opened.
type Files = Vec<(PathBuf, Stamp)>;

/// The files that are named, and those of folders, opened.
fn opened<P: AsRef<Path>>(find: &Find, paths: impl IntoIterator<Item = P>) -> Result<(Files, Vec<LeftOut>), TextError> {
    let paths: Vec<P> = paths.into_iter().collect();
    let mut found = find.find(&paths)?;
    let mut files = Vec::with_capacity(found.files.len());
    let mut given = vec![false; paths.len()];
    for FoundFile { path, given: of, is_in_folder } in found.files {
        let (stamp, beginning) = open(&path)?;
        if !is_in_folder && !find.encoding().has_text(&beginning) {
            return Err(TextError::Empty { path });
        }
        match if is_in_folder { read(&path, stamp, find.encoding()) } else { Ok(()) } {
            Err(error) => found.left_out.push(LeftOut::because_of(error)?),
            Ok(()) => {
                given[of] = true;
                files.push((path, stamp));
            }
        }
    }
    match paths.iter().zip(given).find(|(path, given)| !given && path.as_ref().is_dir()) {
        Some((folder, _)) => Err(no_files(folder.as_ref(), found.left_out)),
        None => Ok((files, found.left_out)),
    }
}

/// Why a folder has no text.
fn no_files(folder: &Path, left_out: Vec<LeftOut>) -> TextError {
    let within: Vec<LeftOut> = left_out.into_iter().filter(|left_out| left_out.path.starts_with(folder)).collect();
    let left_out = within.len();
    within.into_iter().find_map(LeftOut::into_error).unwrap_or(TextError::NoFiles { path: folder.into(), left_out })
}

/// Reads a file's text to its end.
fn read(path: &Path, stamp: Stamp, encoding: Encoding) -> Result<(), TextError> {
    let text = Watched::same(path, stamp).and_then(|file| input::text(file, encoding));
    let text = text.map_err(|error| TextError::reading(path, error))?;
    Pieces::new(path, text).try_for_each(|piece| piece.map(drop))
}

/// What a file is like, and its first bytes.
fn open(path: &Path) -> Result<(Stamp, Vec<u8>), TextError> {
    let read = || -> io::Result<_> {
        let (file, stamp) = Watched::again(path)?;
        let mut beginning = Vec::new();
        file.take(BEGINNING).read_to_end(&mut beginning)?;
        Ok((stamp, beginning))
    };
    read().map_err(|error| TextError::reading(path, error))
}

/// Bytes that tell what a file is.
pub(crate) const BEGINNING: u64 = 8192;
