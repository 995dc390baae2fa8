//! Finds text files in directories.

mod left_out;
mod own;
mod rules;

use std::{
    collections::HashSet,
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

pub use left_out::{LeftOut, Reason};
use own::Own;
use rules::Rules;

use crate::{corpus::BEGINNING, error::TextError, input::Encoding, table::Table};

/// Settings for finding the files of directories.
///
/// These are left out of directories: hidden files and directories (whose names begin with a dot); everything ignored
/// by `.gitignore` and `.ignore` files in the directory, below it, and above it up to the root of a git repository;
/// `node_modules`; files written by elman (models, stores, logs, reports); empty files; binary files (with a NUL byte
/// near the beginning); symbolic links to directories, and special files. A file or directory that is named explicitly
/// is always read, unless [`with_exclude`](Self::with_exclude) matches it.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # std::fs::write(dir.path().join(".gitignore"), "*.log\n")?;
/// # std::fs::write(dir.path().join("a.txt"), "a text\n")?;
/// # std::fs::write(dir.path().join("b.log"), "a log\n")?;
/// use elman_text::{Find, Reason};
///
/// let found = Find::new().find([dir.path()])?;
/// assert_eq!(found.files[0].path, dir.path().join("a.txt"));
/// let ignored = found.left_out.iter().find(|left_out| matches!(left_out.reason, Reason::Ignored)).unwrap();
/// assert_eq!(ignored.path, dir.path().join("b.log"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Find {
    hidden: bool,
    ignore: bool,
    tables: bool,
    once: bool,
    exclude: Vec<String>,
    encoding: Encoding,
}

/// The result of [`Find::find`].
#[derive(Debug, Default)]
pub struct Found {
    /// The files, in the order of the given paths, and sorted by name in each directory.
    pub files: Vec<FoundFile>,
    /// The entries that were left out.
    pub left_out: Vec<LeftOut>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// The path as given, or below the directory as given.
    pub path: PathBuf,
    /// Index of the given path that it belongs to.
    pub given: usize,
    /// Whether it was found in a directory rather than named explicitly.
    pub is_in_folder: bool,
}

impl Default for Find {
    fn default() -> Self {
        Self::new()
    }
}

impl Find {
    /// Finds text files, with the rules described above.
    pub fn new() -> Self {
        Self {
            hidden: false,
            ignore: true,
            tables: false,
            once: false,
            exclude: Vec::new(),
            encoding: Encoding::default(),
        }
    }

    /// Also finds tables in binary formats ([`Table::has_columns`]).
    pub fn with_tables(self) -> Self {
        Self { tables: true, ..self }
    }

    /// Tells texts from other files by another encoding than UTF-8.
    pub fn with_encoding(self, encoding: Encoding) -> Self {
        Self { encoding, ..self }
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Finds each file once, even if several paths lead to it. A file takes precedence over symbolic links to it.
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Whether to find hidden files.
    pub fn with_hidden(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }

    /// Whether to apply `.gitignore` and `.ignore` files, and to leave out `node_modules` and `.git`.
    pub fn with_ignore(self, ignore: bool) -> Self {
        Self { ignore, ..self }
    }

    /// Leaves out paths that match one of these globs, even if named explicitly. Globs have `.gitignore` syntax:
    /// without a slash they match names at any depth, with a slash paths relative to the given directory or the working
    /// directory.
    ///
    /// # Errors
    /// [`TextError::Glob`].
    pub fn with_exclude<S: AsRef<str>>(self, globs: impl IntoIterator<Item = S>) -> Result<Self, TextError> {
        let exclude: Vec<String> = globs.into_iter().map(|glob| glob.as_ref().to_owned()).collect();
        rules::excluding(Path::new(""), &exclude)?;
        Ok(Self { exclude, ..self })
    }

    /// Finds the files of the given paths.
    ///
    /// # Errors
    /// [`TextError::Read`] if a given path does not exist or cannot be read. Unreadable entries within directories are
    /// left out.
    pub fn find<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Result<Found, TextError> {
        let mut search = Search { find: self, given: 0, links: Vec::new(), found: Found::default() };
        for (given, path) in paths.into_iter().enumerate() {
            search.given = given;
            search.start(path.as_ref())?;
        }
        Ok(if self.once { search.deduplicated() } else { search.found })
    }
}

struct Search<'a> {
    find: &'a Find,
    given: usize,
    /// Indices of files that are symbolic links.
    links: Vec<usize>,
    found: Found,
}

impl Search<'_> {
    fn start(&mut self, path: &Path) -> Result<(), TextError> {
        let read = |source| TextError::Read { path: path.into(), source };
        let is_dir = fs::metadata(path).map_err(read)?.is_dir();
        let real = real_path(path).map_err(read)?;
        let mut rules = Rules::new(&real, &self.find.exclude, self.find.ignore && is_dir)?;
        if rules.excludes(&real, is_dir) {
            self.leave_out(path, is_dir, Reason::Excluded);
        } else if is_dir {
            self.search_dir(path, &real, &mut rules).map_err(read)?;
        } else {
            self.found.files.push(FoundFile { path: path.into(), given: self.given, is_in_folder: false });
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, is_dir: bool, reason: Reason) {
        // a trailing slash marks a directory
        let path = if is_dir { path.join("") } else { path.into() };
        self.found.left_out.push(LeftOut { path, reason });
    }

    /// `real` is the canonical path of the directory, which the rules apply to.
    fn search_dir(&mut self, dir: &Path, real: &Path, rules: &mut Rules) -> io::Result<()> {
        let mut entries = fs::read_dir(dir)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        rules.enter(real);
        let own = Own::inspect(dir);
        for entry in entries {
            let (path, name) = (entry.path(), entry.file_name());
            let real = real.join(&name);
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(source) => {
                    self.leave_out(&path, false, Reason::Unreadable(source));
                    continue;
                }
            };
            let is_hidden = name.as_encoded_bytes().starts_with(b".") && !self.find.hidden;
            let left_out = if is_hidden {
                Some(Reason::Hidden)
            } else if rules.excludes(&real, kind.is_dir()) {
                Some(Reason::Excluded)
            } else if rules.ignores(&real, kind.is_dir()) {
                Some(Reason::Ignored)
            } else if kind.is_dir() {
                self.search_dir(&path, &real, rules).err().map(Reason::Unreadable)
            } else {
                self.check_file(&path, &own)
            };
            match left_out {
                Some(reason) => self.leave_out(&path, kind.is_dir(), reason),
                None if kind.is_dir() => {}
                None => {
                    if kind.is_symlink() {
                        self.links.push(self.found.files.len());
                    }
                    self.found.files.push(FoundFile { path, given: self.given, is_in_folder: true });
                }
            }
        }
        rules.leave();
        Ok(())
    }

    /// The reason to leave a file out, if any.
    fn check_file(&self, path: &Path, own: &Own) -> Option<Reason> {
        match fs::metadata(path) {
            Ok(target) if target.is_dir() => return Some(Reason::FolderLink),
            Ok(target) if !target.is_file() => return Some(Reason::Special),
            // a dangling link
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Some(Reason::Special),
            Err(source) => return Some(Reason::Unreadable(source)),
            Ok(_) => {}
        }
        let mut bytes = Vec::new();
        if let Err(source) = File::open(path).and_then(|file| file.take(BEGINNING).read_to_end(&mut bytes)) {
            return Some(Reason::Unreadable(source));
        }
        if own.wrote(path, &bytes) {
            Some(Reason::Own)
        } else if !self.find.encoding.has_text(&bytes) {
            Some(Reason::Empty)
        } else if !(self.find.encoding.is_text(&bytes) || self.find.tables && Table::has_columns(path)) {
            Some(Reason::Binary)
        } else {
            None
        }
    }

    /// Removes duplicates. Explicitly named paths take precedence over found ones, and files over links.
    fn deduplicated(self) -> Found {
        let Self { links, found: Found { files, mut left_out }, .. } = self;
        let links: HashSet<usize> = links.into_iter().collect();
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|position| (files[*position].is_in_folder, links.contains(position)));
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let mut is_first = vec![true; files.len()];
        for position in order {
            let path = &files[position].path;
            let real = if links.contains(&position) { fs::canonicalize(path) } else { real_path(path) };
            is_first[position] = seen.insert(real.unwrap_or_else(|_| path.clone()));
        }
        let mut unique = Vec::with_capacity(files.len());
        for (position, file) in files.into_iter().enumerate() {
            if is_first[position] {
                unique.push(file);
            } else if links.contains(&position) {
                left_out.push(LeftOut { path: file.path, reason: Reason::Repeated });
            }
        }
        Found { files: unique, left_out }
    }
}

/// The canonical path, except that a symbolic link to a file is not resolved. Different spellings of a path have the
/// same result.
///
/// # Errors
/// If the directory does not exist or cannot be read.
pub fn real_path(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    match (path.parent(), path.file_name()) {
        (Some(dir), Some(name)) if !path.is_dir() => {
            let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
            Ok(fs::canonicalize(dir)?.join(name))
        }
        _ => fs::canonicalize(path),
    }
}
