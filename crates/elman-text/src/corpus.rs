use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    str,
};

use memmap2::Mmap;

use crate::{error::TextError, map::map, tokenizer::TextTokenizer, tokenizer::Tokenizer, tokens::Tokens, unit::Unit};

/// Pieces are cut at the first line's end past this many bytes.
const PIECE: usize = 1 << 16;
/// A line longer than this is cut within, at a space or, failing that, at a character.
const LONGEST: usize = 1 << 20;

/// Text files, mapped into memory and read piece by piece: a corpus may be larger than memory.
///
/// A byte order mark at a file's beginning is skipped. Line ends are kept as they are.
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
        let mut files = Vec::new();
        for path in paths {
            let path = path.as_ref();
            if path.is_dir() {
                let before = files.len();
                let mut found = Vec::new();
                walk(path, &mut found)?;
                for path in found {
                    let map = open(&path)?;
                    if !map.is_empty() && !is_binary(&map) {
                        files.push((path, map));
                    }
                }
                if files.len() == before {
                    return Err(TextError::NoFiles { path: path.into() });
                }
            } else {
                let map = open(path)?;
                if map.is_empty() {
                    return Err(TextError::Empty { path: path.into() });
                }
                files.push((path.into(), map));
            }
        }
        Ok(Self { files })
    }

    /// The files, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(path, _)| path.as_path())
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|(_, map)| map.len() as u64).sum()
    }

    /// The text in pieces of some 64 KiB that end at a line's end, or at the file's.
    pub fn pieces(&self) -> impl Iterator<Item = Result<&str, TextError>> {
        self.files.iter().flat_map(|(path, map)| Pieces { path, bytes: map, at: skip_mark(map), lines: 0 })
    }

    /// The text line by line, without line ends.
    pub fn lines(&self) -> impl Iterator<Item = Result<&str, TextError>> {
        self.pieces().flat_map(|piece| {
            let (lines, error) = match piece {
                Ok(text) => (text, None),
                Err(error) => ("", Some(Err(error))),
            };
            lines.lines().map(Ok).chain(error)
        })
    }

    /// The whole corpus as token ids. Word tokenizers end a file's last line too, as if it ended with a line's end.
    ///
    /// # Errors
    /// [`TextError::NotUtf8`], [`TextError::Encode`].
    pub fn encode(&self, tokenizer: &TextTokenizer) -> Result<Tokens, TextError> {
        let mut tokens = Tokens::new();
        for (path, map) in &self.files {
            let mut ended = true;
            for piece in (Pieces { path, bytes: map, at: skip_mark(map), lines: 0 }) {
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

/// As grep and git tell: text has no NUL.
fn is_binary(bytes: &[u8]) -> bool {
    bytes[..bytes.len().min(8192)].contains(&0)
}

fn skip_mark(bytes: &[u8]) -> usize {
    if bytes.starts_with("\u{feff}".as_bytes()) { 3 } else { 0 }
}

struct Pieces<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    at: usize,
    lines: u64,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<&'a str, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = &self.bytes[self.at..];
        if rest.is_empty() {
            return None;
        }
        let piece = &rest[..cut(rest)];
        match str::from_utf8(piece) {
            Ok(text) => {
                self.at += piece.len();
                self.lines += piece.iter().filter(|b| **b == b'\n').count() as u64;
                Some(Ok(text))
            }
            Err(error) => {
                let good = error.valid_up_to();
                let line = self.lines + 1 + piece[..good].iter().filter(|b| **b == b'\n').count() as u64;
                let offset = (self.at + good) as u64;
                self.at = self.bytes.len();
                Some(Err(TextError::NotUtf8 { path: self.path.into(), offset, line }))
            }
        }
    }
}

/// Where the piece at the beginning of `bytes` ends.
fn cut(bytes: &[u8]) -> usize {
    if bytes.len() <= PIECE {
        return bytes.len();
    }
    let reach = &bytes[PIECE..bytes.len().min(LONGEST)];
    // A line's end between two characters that are no white space, where no tokenizer joins both sides; else any.
    let lone = |w: &[u8]| w[1] == b'\n' && !w[0].is_ascii_whitespace() && !w[2].is_ascii_whitespace();
    if let Some(before) = reach.windows(3).position(lone) {
        return PIECE + before + 2;
    }
    if let Some(end) = reach.iter().position(|b| *b == b'\n') {
        return PIECE + end + 1;
    }
    if bytes.len() <= LONGEST {
        return bytes.len();
    }
    let head = &bytes[..LONGEST];
    if let Some(space) = head[PIECE..].iter().rposition(|b| *b == b' ') {
        return PIECE + space; // the space begins the next piece, as it begins the next word
    }
    // not within a character
    (PIECE..LONGEST).rev().find(|i| bytes[*i] & 0xC0 != 0x80).unwrap_or(LONGEST)
}
