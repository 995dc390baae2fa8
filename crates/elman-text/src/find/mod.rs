//! Which files of folders hold text, and which are left out.

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

/// How the files of folders are found.
///
/// Of a folder, these are left out: hidden files and folders, whose names begin with a dot; what `.gitignore` and `.ignore`
/// files of it, of folders in it, and of those above it in a git repository name; `node_modules`; what elman itself has
/// written (models, stores, logs, reports); empty files; files with a NUL byte near their beginning, as programs and pictures
/// have; links to folders, and whatever is no regular file. A file or folder that is named is read whatever its name is,
/// unless [`with_exclude`](Self::with_exclude) says otherwise.
///
/// ```
/// # let folder = tempfile::tempdir()?;
/// # std::fs::write(folder.path().join(".gitignore"), "*.log\n")?;
/// # std::fs::write(folder.path().join("a.txt"), "a text\n")?;
/// # std::fs::write(folder.path().join("b.log"), "a log\n")?;
/// use elman_text::{Find, Reason};
///
/// let found = Find::new().find([folder.path()])?;
/// assert_eq!(found.files[0].path, folder.path().join("a.txt"));
/// let ignored = found.left_out.iter().find(|left_out| matches!(left_out.reason, Reason::Ignored)).unwrap();
/// assert_eq!(ignored.path, folder.path().join("b.log"));
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

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// The files, in the order of the paths that were given, and by name in each folder.
    pub files: Vec<FoundFile>,
    /// What was left out of folders.
    pub left_out: Vec<LeftOut>,
}

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundFile {
    /// The file: as it was named, or below the folder as that was named.
    pub path: PathBuf,
    /// Which of the paths that were given it belongs to.
    pub given: usize,
    /// Whether it was found in a folder, and not named itself.
    pub is_in_folder: bool,
}

impl Default for Find {
    fn default() -> Self {
        Self::new()
    }
}

impl Find {
    /// Text files alone, as the type's description has it.
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

    /// Finds tables in every format too ([`Table::has_columns`]), of which some are not text.
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

    /// Finds each file once, however often its path is given or spelled. Of a file and links to it in folders the file is found.
    pub fn once(self) -> Self {
        Self { once: true, ..self }
    }

    /// Whether hidden files are found.
    pub fn with_hidden(self, hidden: bool) -> Self {
        Self { hidden, ..self }
    }

    /// Whether `.gitignore` and `.ignore` files count, and `node_modules` and `.git` are left out.
    pub fn with_ignore(self, ignore: bool) -> Self {
        Self { ignore, ..self }
    }

    /// Leaves out what one of these globs matches, named or found. Globs are those of a `.gitignore`: one without a slash
    /// matches names at any depth, one with a slash a path from the folder that was given or from the working directory.
    ///
    /// # Errors
    /// [`TextError::Glob`].
    pub fn with_exclude<S: AsRef<str>>(self, globs: impl IntoIterator<Item = S>) -> Result<Self, TextError> {
        let exclude: Vec<String> = globs.into_iter().map(|glob| glob.as_ref().to_owned()).collect();
        rules::excluding(Path::new(""), &exclude)?;
        Ok(Self { exclude, ..self })
    }

    /// Finds the files of some paths.
    ///
    /// # Errors
    /// [`TextError::Read`] for a path that is not there or a folder that cannot be read. What cannot be read within a folder
    /// is left out.
    pub fn find<P: AsRef<Path>>(&self, paths: impl IntoIterator<Item = P>) -> Result<Found, TextError> {
        let mut search = Search { find: self, given: 0, links: Vec::new(), found: Found::default() };
        for (given, path) in paths.into_iter().enumerate() {
            search.given = given;
            search.start(path.as_ref())?;
        }
        Ok(if self.once { search.without_repetitions() } else { search.found })
    }
}

struct Search<'a> {
    find: &'a Find,
    given: usize,
    /// Positions of files that were found as links.
    links: Vec<usize>,
    found: Found,
}

impl Search<'_> {
    fn start(&mut self, path: &Path) -> Result<(), TextError> {
        let read = |source| TextError::Read { path: path.into(), source };
        let is_folder = fs::metadata(path).map_err(read)?.is_dir();
        let real = real_path(path).map_err(read)?;
        let mut rules = Rules::new(&real, &self.find.exclude, self.find.ignore && is_folder)?;
        if rules.excludes(&real, is_folder) {
            self.leave_out(path, is_folder, Reason::Excluded);
        } else if is_folder {
            self.folder(path, &real, &mut rules).map_err(read)?;
        } else {
            self.found.files.push(FoundFile { path: path.into(), given: self.given, is_in_folder: false });
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &Path, is_folder: bool, reason: Reason) {
        // a slash at the end says that it is a folder
        let path = if is_folder { path.join("") } else { path.into() };
        self.found.left_out.push(LeftOut { path, reason });
    }

    /// `real` is the folder without links, which rules are written for.
    fn folder(&mut self, folder: &Path, real: &Path, rules: &mut Rules) -> io::Result<()> {
        let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        rules.enter(real);
        let own = Own::of(folder);
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
                self.folder(&path, &real, rules).err().map(Reason::Unreadable)
            } else {
                self.file(&path, &own)
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

    /// Why a file is left out, if it is.
    fn file(&self, path: &Path, own: &Own) -> Option<Reason> {
        match fs::metadata(path) {
            Ok(target) if target.is_dir() => return Some(Reason::FolderLink),
            Ok(target) if !target.is_file() => return Some(Reason::Special),
            // a link to nothing
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

    /// The files, each once: as it was named rather than found, and as a file rather than as a link to it.
    fn without_repetitions(self) -> Found {
        let Self { links, found: Found { files, mut left_out }, .. } = self;
        let links: HashSet<usize> = links.into_iter().collect();
        let mut order: Vec<usize> = (0..files.len()).collect();
        order.sort_by_key(|position| (files[*position].is_in_folder, links.contains(position)));
        let mut seen: HashSet<PathBuf> = HashSet::new();
        let mut stays = vec![true; files.len()];
        for position in order {
            let path = &files[position].path;
            let real = if links.contains(&position) { fs::canonicalize(path) } else { real_path(path) };
            stays[position] = seen.insert(real.unwrap_or_else(|_| path.clone()));
        }
        let mut kept = Vec::with_capacity(files.len());
        for (position, file) in files.into_iter().enumerate() {
            if stays[position] {
                kept.push(file);
            } else if links.contains(&position) {
                left_out.push(LeftOut { path: file.path, reason: Reason::Repeated });
            }
        }
        Found { files: kept, left_out }
    }
}

/// A path without links and dots in its folders: of a file that is a link, the link's own path. Two spellings of a path have
/// one.
///
/// # Errors
/// If the folder is not there or cannot be read.
pub fn real_path(path: impl AsRef<Path>) -> io::Result<PathBuf> {
    let path = path.as_ref();
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if !path.is_dir() => {
            let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            Ok(fs::canonicalize(folder)?.join(name))
        }
        _ => fs::canonicalize(path),
    }
}
