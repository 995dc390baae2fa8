//! What a store has of the files and folders of a command line.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Component, MAIN_SEPARATOR, Path, PathBuf},
};

use elman::index::{Comparison, Entry, Field, Filter, IndexError, Metadata, Scalar, VectorStore};

use crate::{
    error::CliError,
    paths,
    sources::{FILE, Given, REAL, Source, TextFile},
};

/// Names that are looked up in the store together.
const TOGETHER: usize = 256;
/// No position.
const NONE: u32 = u32::MAX;

/// The entries of some files and folders, without texts and vectors: some 100 bytes each.
#[derive(Default)]
pub struct Stored {
    entries: Vec<Known>,
    by_id: HashMap<u128, u32>,
    /// Of each text, the entry that was met last; the others by `next`.
    by_text: HashMap<u128, u32>,
    files: Vec<StoredFile>,
    by_real: HashMap<String, u32>,
    /// Where a folder's files are called otherwise than the folder is now: what stands before the path in it.
    names: HashMap<usize, String>,
    /// What is called as these folders are, and is another.
    taken: HashSet<usize>,
}

struct Known {
    id: Box<str>,
    text: u128,
    metadata: u128,
    file: u32,
    next: u32,
    state: State,
}

struct StoredFile {
    real: String,
    name: String,
}

/// What becomes of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// No text has been met that is called so.
    Unmet,
    /// Its text is called so still.
    Stays,
    /// Another text is called so now.
    Replaced,
}

/// How a text is in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it is now.
    Same,
    /// With other metadata.
    OtherMetadata,
    /// Not, or another text is called so.
    New,
}

impl Stored {
    /// Reads what a store has: by the path of each file, and by its name where an entry has no path, or one that is no longer
    /// there, as in a folder that was moved.
    pub fn read(store: &dyn VectorStore, given: &[Given]) -> Result<Self, CliError> {
        let mut stored = Self::default();
        for (number, given) in given.iter().enumerate() {
            visit(store, &within(REAL, [given.real.as_str()], given.is_folder), |entry| {
                if let (Some(real), Some(name)) = (text(&entry, REAL), text(&entry, FILE)) {
                    stored.add(number, given, Candidate::new(entry, real, name));
                }
            })?;
        }
        for (number, given) in given.iter().enumerate() {
            let names = spellings(given);
            let (mut without_path, mut moved, mut is_another) = (Vec::new(), Vec::new(), false);
            let mut seen = (String::new(), false);
            visit(store, &within(FILE, names.iter().map(String::as_str), given.is_folder), |entry| {
                let Some(name) = text(&entry, FILE) else { return };
                let below = names.iter().find_map(|folder| name.strip_prefix(&paths::prefix(folder)));
                let here = match below {
                    Some(below) if given.is_folder => paths::prefix(&given.real) + below,
                    _ => given.real.clone(),
                };
                match text(&entry, REAL) {
                    None => without_path.push(Candidate::new(entry, here, name)),
                    Some(real) if is_within(&real, given) => {}
                    Some(real) => {
                        if seen.0 != real {
                            seen = (real.clone(), exists(&real));
                        }
                        match seen.1 {
                            true => is_another = true,
                            false => moved.push(Candidate::new(entry, here, name)),
                        }
                    }
                }
            })?;
            // a folder that was moved has some of its files still; one that is only called the same has others, and the store
            // keeps what it has of that which is not there now, as where a disk is missing
            if is_another || !moved.iter().any(|candidate| exists(&candidate.real)) {
                is_another |= !moved.is_empty();
                moved.clear();
            }
            if is_another {
                stored.taken.insert(number);
            }
            without_path.into_iter().chain(moved).for_each(|candidate| stored.add(number, given, candidate));
        }
        Ok(stored)
    }

    fn add(&mut self, number: usize, given: &Given, candidate: Candidate) {
        let Candidate { id, text, metadata, real, name } = candidate;
        let digest_of_id = digest(&id);
        if self.by_id.contains_key(&digest_of_id) {
            return;
        }
        if let Some(below) = real.strip_prefix(&paths::prefix(&given.real))
            // a file that was indexed from within the folder does not name the folder
            && let Some(before) = name.strip_suffix(below).filter(|before| !before.is_empty())
        {
            self.names.entry(number).or_insert_with(|| before.to_owned());
        }
        let file = *self.by_real.entry(real.clone()).or_insert_with(|| {
            self.files.push(StoredFile { real, name });
            self.files.len() as u32 - 1
        });
        let position = self.entries.len() as u32;
        let next = self.by_text.insert(text, position).unwrap_or(NONE);
        self.by_id.insert(digest_of_id, position);
        self.entries.push(Known { id: id.into(), text, metadata, file, next, state: State::Unmet });
    }

    /// Calls files as the store does, whatever they are called now. What is called as another file in the store is called by
    /// its whole path.
    pub fn name(&self, store: &dyn VectorStore, files: &mut [TextFile], given: &[Given]) -> Result<(), CliError> {
        let mut new = Vec::new();
        for file in files {
            let Given { real, .. } = &given[file.given];
            let below = file.real.strip_prefix(&paths::prefix(real));
            match (self.by_real.get(&file.real), self.names.get(&file.given), below) {
                (Some(stored), ..) => {
                    file.name.clone_from(&self.files[*stored as usize].name);
                    continue;
                }
                _ if self.taken.contains(&file.given) => file.name.clone_from(&file.real),
                (None, Some(before), Some(below)) => file.name = format!("{before}{below}"),
                _ => {}
            }
            new.push(file);
        }
        for files in new.chunks_mut(TOGETHER) {
            let mut others = HashSet::new();
            visit(store, &within(FILE, files.iter().map(|file| file.name.as_str()), false), |entry| {
                others.extend(text(&entry, FILE));
            })?;
            for file in files.iter_mut().filter(|file| others.contains(&file.name)) {
                file.name.clone_from(&file.real);
            }
        }
        Ok(())
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there are entries of a file.
    pub fn has_file(&self, file: &TextFile) -> bool {
        self.by_real.contains_key(&file.real)
    }

    /// How many entries are of a file or of what is in a folder.
    pub fn count_within(&self, given: &Given) -> usize {
        let within: Vec<bool> = self.files.iter().map(|file| is_within(&file.real, given)).collect();
        self.entries.iter().filter(|entry| within[entry.file as usize]).count()
    }

    /// How a text is in the store, and where.
    pub fn standing(&self, source: &Source) -> (Standing, Option<u32>) {
        let Some(&position) = self.by_id.get(&digest(&source.id)) else { return (Standing::New, None) };
        let entry = &self.entries[position as usize];
        let standing = if entry.text != digest(&source.text) {
            Standing::New
        } else if entry.metadata != digest_of(Some(&source.metadata)) {
            Standing::OtherMetadata
        } else {
            Standing::Same
        };
        (standing, Some(position))
    }

    pub fn id(&self, position: u32) -> &str {
        &self.entries[position as usize].id
    }

    pub fn text(&self, position: u32) -> u128 {
        self.entries[position as usize].text
    }

    pub fn set(&mut self, position: u32, state: State) {
        self.entries[position as usize].state = state;
    }

    /// An entry with a text, as far as one still has it.
    pub fn with_text(&mut self, text: u128) -> Option<u32> {
        let first = self.by_text.get_mut(&text)?;
        // an entry that another text replaces does not come back
        while let Some(entry) = self.entries.get(*first as usize) {
            if entry.state != State::Replaced {
                return Some(*first);
            }
            *first = entry.next;
        }
        None
    }

    pub fn has_text(&self, text: u128) -> bool {
        self.by_text.contains_key(&text)
    }

    /// The entries of which no text has been met, but those of files and folders that could not be read.
    pub fn unmet(&self, unread: &[String]) -> impl Iterator<Item = (&str, u128)> {
        let unread: Vec<(&str, String)> = unread.iter().map(|path| (path.as_str(), paths::prefix(path))).collect();
        let is_unread = |real: &str| unread.iter().any(|(path, prefix)| real == *path || real.starts_with(prefix));
        let unread: Vec<bool> = self.files.iter().map(|file| is_unread(&file.real)).collect();
        let unmet =
            self.entries.iter().filter(move |entry| entry.state == State::Unmet && !unread[entry.file as usize]);
        unmet.map(|entry| (&*entry.id, entry.text))
    }
}

/// An entry of a file that may be among those of a command line.
struct Candidate {
    id: String,
    text: u128,
    metadata: u128,
    real: String,
    name: String,
}

impl Candidate {
    fn new(entry: Entry, real: String, name: String) -> Self {
        let (text, metadata) = (digest(&entry.text), digest_of(entry.metadata.as_ref()));
        Self { id: entry.id, text, metadata, real, name }
    }
}

/// A text in an entry's metadata.
fn text(entry: &Entry, field: &str) -> Option<String> {
    Some(entry.metadata.as_ref()?.get(field)?.as_str()?.to_owned())
}

fn is_within(real: &str, given: &Given) -> bool {
    real == given.real || given.is_folder && real.starts_with(&paths::prefix(&given.real))
}

fn exists(real: &str) -> bool {
    paths::of_text(real).symlink_metadata().is_ok()
}

/// A filter for the entries whose file is one of these, or in one of these folders.
fn within<'a>(field: &str, paths: impl IntoIterator<Item = &'a str>, is_folder: bool) -> Filter {
    let compare = |comparison, text: String| Filter::Compare(Field::from(field), comparison, Scalar::Text(text));
    let one = |path: &str| {
        let same = compare(Comparison::Equal, path.into());
        if !is_folder {
            return same;
        }
        let first = paths::prefix(path);
        let last = paths::after(&first);
        let below = vec![compare(Comparison::GreaterOrEqual, first), compare(Comparison::Less, last)];
        Filter::Or(vec![same, Filter::And(below)])
    };
    Filter::Or(paths.into_iter().map(one).collect())
}

/// Visits entries; none where no entry has the field.
fn visit(store: &dyn VectorStore, filter: &Filter, mut visit: impl FnMut(Entry)) -> Result<(), CliError> {
    match store.visit(Some(filter), &mut visit) {
        Err(IndexError::UnknownField { .. }) => Ok(()),
        result => Ok(result?),
    }
}

/// What a path may have been called.
fn spellings(given: &Given) -> BTreeSet<String> {
    let plain: PathBuf = given.path.components().filter(|part| *part != Component::CurDir).collect();
    let here = std::env::current_dir().and_then(|here| here.canonicalize()).unwrap_or_default();
    let real = paths::of_text(&given.real);
    let from_here = real.strip_prefix(&here).map(Path::to_path_buf).unwrap_or_default();
    let dotted =
        [&plain, &from_here].map(|path| if path.is_absolute() { path.clone() } else { Path::new(".").join(path) });
    let all = [given.path.clone(), plain, from_here, real].into_iter().chain(dotted);
    let texts = all.map(|path| paths::to_text(&path));
    let bare = |text: String| match text.trim_end_matches(MAIN_SEPARATOR) {
        "" => text,
        bare => bare.to_owned(),
    };
    texts.map(bare).filter(|text| !text.is_empty()).collect()
}

/// A number that no two texts share.
pub fn digest(text: &str) -> u128 {
    let half = |first: u8| {
        let mut hasher = DefaultHasher::new();
        first.hash(&mut hasher);
        text.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// That of metadata, whatever their order.
fn digest_of(metadata: Option<&Metadata>) -> u128 {
    let mut fields: Vec<String> =
        metadata.into_iter().flatten().map(|(key, value)| format!("{key:?}{value}")).collect();
    fields.sort_unstable();
    digest(&fields.join("\n"))
}
