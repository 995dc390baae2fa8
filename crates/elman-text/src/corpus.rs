use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use memmap2::Mmap;

use crate::{
    error::TextError,
    map::map,
    pieces::{Pieces, mark},
    table::Table,
    tokenizer::Tokenizer,
    tokens::Tokens,
    unit::Unit,
};

/// Text files, mapped into memory and read piece by piece: a corpus may be larger than memory.
///
/// A byte order mark at a file's beginning is skipped. Line ends are kept as they are: the `\r` of a `\r\n` is a
/// character like any other, and white space to word tokenizers.
#[derive(Debug)]
pub struct Corpus {
    files: Vec<(PathBuf, Mmap)>,
}

impl Corpus {
    /// Opens files, and the text files of folders, recursively and by name. In a folder, hidden files, empty files and
    /// files with a NUL byte near their beginning (as programs and pictures have) are left out.
    ///
    /// # Errors
    /// [`TextError::Read`], [`TextError::Empty`] for an empty file that was named, [`TextError::NoFiles`].
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, TextError> {
        Ok(Self { files: opened(paths, |_, bytes| !is_binary(bytes))? })
    }

    /// The files that [`open`](Self::open) would open, and of folders tables in every format too
    /// ([`Table::has_columns`]), of which some are not text.
    ///
    /// # Errors
    /// As `open`.
    pub fn with_tables<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Vec<PathBuf>, TextError> {
        let files = opened(paths, |path, bytes| Table::has_columns(path) || !is_binary(bytes))?;
        Ok(files.into_iter().map(|(path, _)| path).collect())
    }

    /// The files, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Bytes of all files, known without reading them.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, map)| map.len() as u64).sum()
    }

    /// Characters, lines and bytes of the text, without byte order marks; reads all of it.
    ///
    /// # Errors
    /// [`TextError::NotUtf8`].
    pub fn count(&self) -> Result<TextCounts, TextError> {
        let mut counts = TextCounts::default();
        for line in self.each(Pieces::lines) {
            let line = line?;
            counts.bytes += line.len() as u64;
            counts.characters += line.chars().count() as u64;
            counts.lines += 1;
        }
        Ok(counts)
    }

    /// The text in pieces of some 64 KiB, cut before white space that follows a word, or at a file's end. A word over
    /// 1 MiB is cut between two characters.
    ///
    /// # Errors
    /// An item is [`TextError::NotUtf8`] where a file's text ends for that reason.
    pub fn pieces(&self) -> impl Iterator<Item = Result<&str, TextError>> {
        self.each(Pieces::new)
    }

    /// The text line by line, without line ends (`\n` or `\r\n`).
    ///
    /// # Errors
    /// As [`pieces`](Self::pieces).
    pub fn lines(&self) -> impl Iterator<Item = Result<&str, TextError>> {
        let bare = |line: &str| line.strip_suffix('\n').map_or(line.len(), |l| l.strip_suffix('\r').unwrap_or(l).len());
        self.each(Pieces::lines).map(move |line| line.map(|line| &line[..bare(line)]))
    }

    /// The whole corpus as token ids. Word tokenizers end a file's last line too, as if it ended with a line's end.
    ///
    /// # Errors
    /// [`TextError::NotUtf8`], [`TextError::Encode`].
    pub fn encode(&self, tokenizer: &dyn Tokenizer) -> Result<Tokens, TextError> {
        let mut tokens = Tokens::new();
        for (path, map) in &self.files {
            let mut ended = true;
            for piece in Pieces::new(path, map) {
                let piece = piece?;
                tokens.extend(&tokenizer.encode(piece)?, piece.chars().count(), piece.len());
                ended = piece.ends_with('\n');
            }
            if !ended && tokenizer.unit() == Unit::Word {
                tokens.extend(&tokenizer.encode("\n")?, 0, 0);
            }
        }
        Ok(tokens)
    }

    fn each<'a>(
        &'a self,
        read: fn(&'a Path, &'a [u8]) -> Pieces<'a>,
    ) -> impl Iterator<Item = <Pieces<'a> as Iterator>::Item> {
        self.files.iter().flat_map(move |(path, map)| read(path, map))
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

/// The files that are named, and of folders those that are not empty and are wanted.
fn opened<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    is_wanted: impl Fn(&Path, &[u8]) -> bool,
) -> Result<Vec<(PathBuf, Mmap)>, TextError> {
    let mut files = Vec::new();
    for path in paths {
        let path = path.as_ref();
        if path.is_dir() {
            let before = files.len();
            let mut found = Vec::new();
            walk(path, &mut found)?;
            for path in found {
                let map = open(&path)?;
                if has_text(&map) && is_wanted(&path, &map) {
                    files.push((path, map));
                }
            }
            if files.len() == before {
                return Err(TextError::NoFiles { path: path.into() });
            }
        } else {
            let map = open(path)?;
            if !has_text(&map) {
                return Err(TextError::Empty { path: path.into() });
            }
            files.push((path.into(), map));
        }
    }
    Ok(files)
}

fn open(path: &Path) -> Result<Mmap, TextError> {
    File::open(path).and_then(|file| map(&file)).map_err(|source| TextError::Read { path: path.into(), source })
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), TextError> {
    let read = |source| TextError::Read { path: folder.into(), source };
    let mut entries = fs::read_dir(folder).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let kind = entry.file_type().map_err(|source| TextError::Read { path: path.clone(), source })?;
        if kind.is_dir() {
            walk(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn has_text(bytes: &[u8]) -> bool {
    bytes.len() > mark(bytes)
}

/// As grep and git tell: text has no NUL.
fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(8192)].contains(&0)
}
