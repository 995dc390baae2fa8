//! The entries that a store has of the files and directories of a command line.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Component, MAIN_SEPARATOR, Path, PathBuf},
};

use elman::index::{Comparison, Entry, Field, Filter, IndexError, Metadata, Scalar, VectorStore};

use crate::{
    error::CliError,
    paths,
    sources::{CANONICAL_PATH, FILE, InputPath, Source, TextFile},
};

/// Names that are looked up in the store together.
const BATCH: usize = 256;
/// Marks the end of a list of entries.
const NONE: u32 = u32::MAX;

/// The entries of files and directories, without texts and vectors; about 100 bytes each.
#[derive(Default)]
pub struct StoredEntries {
    entries: Vec<StoredEntry>,
    by_id: HashMap<u128, u32>,
    /// The last entry with each text; `next` leads to the others.
    by_text: HashMap<u128, u32>,
    files: Vec<StoredFile>,
    by_canonical: HashMap<String, u32>,
    /// By index of the input directory, the prefix of its files' names in the store, which may be spelled differently
    /// now.
    name_prefixes: HashMap<usize, String>,
    /// Input paths whose name the store uses for another path.
    name_conflicts: HashSet<usize>,
}

struct StoredEntry {
    id: Box<str>,
    text: u128,
    metadata: u128,
    file: u32,
    next: u32,
    state: EntryState,
}

struct StoredFile {
    canonical: String,
    name: String,
}

/// The outcome of indexing for an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// No text with its id has been read.
    Unseen,
    /// Its text has the same id as before.
    Retained,
    /// Another text has its id now.
    Replaced,
}

/// How a text compares with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextStatus {
    /// The store has the text with the same id and metadata.
    Unchanged,
    /// The store has the text with the same id and other metadata.
    MetadataChanged,
    /// The store has no entry with this id, or one with another text.
    New,
}

impl StoredEntries {
    /// Reads the entries of input paths. Finds entries by the canonical path of their file, or by its name if an entry
    /// has no path or one that no longer exists, as after a directory was moved.
    pub fn read(store: &dyn VectorStore, inputs: &[InputPath]) -> Result<Self, CliError> {
        let mut stored = Self::default();
        for (index, input) in inputs.iter().enumerate() {
            visit(store, &within(CANONICAL_PATH, [input.canonical.as_str()], input.is_directory), |entry| {
                if let (Some(canonical), Some(name)) = (text(&entry, CANONICAL_PATH), text(&entry, FILE)) {
                    stored.add(index, input, Candidate::new(entry, canonical, name));
                }
            })?;
        }
        for (index, input) in inputs.iter().enumerate() {
            let names = spellings(input);
            let (mut without_path, mut moved, mut has_conflict) = (Vec::new(), Vec::new(), false);
            let mut last_checked = (String::new(), false);
            visit(store, &within(FILE, names.iter().map(String::as_str), input.is_directory), |entry| {
                let Some(name) = text(&entry, FILE) else { return };
                let relative = names.iter().find_map(|directory| name.strip_prefix(&paths::prefix(directory)));
                let current = match relative {
                    Some(relative) if input.is_directory => paths::prefix(&input.canonical) + relative,
                    _ => input.canonical.clone(),
                };
                match text(&entry, CANONICAL_PATH) {
                    None => without_path.push(Candidate::new(entry, current, name)),
                    Some(canonical) if is_within(&canonical, input) => {}
                    Some(canonical) => {
                        if last_checked.0 != canonical {
                            last_checked = (canonical.clone(), exists(&canonical));
                        }
                        match last_checked.1 {
                            true => has_conflict = true,
                            false => moved.push(Candidate::new(entry, current, name)),
                        }
                    }
                }
            })?;
            // A moved directory still has some of its files. A different directory of the same name does not: then
            // entries of the missing one, perhaps on a disk that is not mounted, stay in the store.
            if has_conflict || !moved.iter().any(|candidate| exists(&candidate.canonical)) {
                has_conflict |= !moved.is_empty();
                moved.clear();
            }
            if has_conflict {
                stored.name_conflicts.insert(index);
            }
            without_path.into_iter().chain(moved).for_each(|candidate| stored.add(index, input, candidate));
        }
        Ok(stored)
    }

    fn add(&mut self, index: usize, input: &InputPath, candidate: Candidate) {
        let Candidate { id, text, metadata, canonical, name } = candidate;
        let id_digest = digest(&id);
        if self.by_id.contains_key(&id_digest) {
            return;
        }
        if let Some(relative) = canonical.strip_prefix(&paths::prefix(&input.canonical))
            // the name of a file that was indexed from within the directory has no prefix
            && let Some(prefix) = name.strip_suffix(relative).filter(|prefix| !prefix.is_empty())
        {
            self.name_prefixes.entry(index).or_insert_with(|| prefix.to_owned());
        }
        let file = *self.by_canonical.entry(canonical.clone()).or_insert_with(|| {
            self.files.push(StoredFile { canonical, name });
            self.files.len() as u32 - 1
        });
        let position = self.entries.len() as u32;
        let next = self.by_text.insert(text, position).unwrap_or(NONE);
        self.by_id.insert(id_digest, position);
        self.entries.push(StoredEntry { id: id.into(), text, metadata, file, next, state: EntryState::Unseen });
    }

    /// Gives files the names that the store has for them, however they are spelled now. A file whose name the store
    /// uses for another file is named by its canonical path.
    pub fn name(&self, store: &dyn VectorStore, files: &mut [TextFile], inputs: &[InputPath]) -> Result<(), CliError> {
        let mut new = Vec::new();
        for file in files {
            let InputPath { canonical, .. } = &inputs[file.input];
            let relative = file.canonical.strip_prefix(&paths::prefix(canonical));
            match (self.by_canonical.get(&file.canonical), self.name_prefixes.get(&file.input), relative) {
                (Some(stored), ..) => {
                    file.name.clone_from(&self.files[*stored as usize].name);
                    continue;
                }
                _ if self.name_conflicts.contains(&file.input) => file.name.clone_from(&file.canonical),
                (None, Some(prefix), Some(relative)) => file.name = format!("{prefix}{relative}"),
                _ => {}
            }
            new.push(file);
        }
        for files in new.chunks_mut(BATCH) {
            let mut used = HashSet::new();
            visit(store, &within(FILE, files.iter().map(|file| file.name.as_str()), false), |entry| {
                used.extend(text(&entry, FILE));
            })?;
            for file in files.iter_mut().filter(|file| used.contains(&file.name)) {
                file.name.clone_from(&file.canonical);
            }
        }
        Ok(())
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether there are entries of a file.
    pub fn has_file(&self, file: &TextFile) -> bool {
        self.by_canonical.contains_key(&file.canonical)
    }

    /// The number of entries of a file or of all files in a directory.
    pub fn count_within(&self, input: &InputPath) -> usize {
        let within: Vec<bool> = self.files.iter().map(|file| is_within(&file.canonical, input)).collect();
        self.entries.iter().filter(|entry| within[entry.file as usize]).count()
    }

    /// How a text compares with the store, and the position of the entry with its id.
    pub fn status(&self, source: &Source) -> (TextStatus, Option<u32>) {
        let Some(&position) = self.by_id.get(&digest(&source.id)) else { return (TextStatus::New, None) };
        let entry = &self.entries[position as usize];
        let status = if entry.text != digest(&source.text) {
            TextStatus::New
        } else if entry.metadata != metadata_digest(Some(&source.metadata)) {
            TextStatus::MetadataChanged
        } else {
            TextStatus::Unchanged
        };
        (status, Some(position))
    }

    pub fn id(&self, position: u32) -> &str {
        &self.entries[position as usize].id
    }

    pub fn text(&self, position: u32) -> u128 {
        self.entries[position as usize].text
    }

    pub fn set(&mut self, position: u32, state: EntryState) {
        self.entries[position as usize].state = state;
    }

    /// The position of an entry that still has this text.
    pub fn with_text(&mut self, text: u128) -> Option<u32> {
        let first = self.by_text.get_mut(&text)?;
        // replaced entries are unlinked for good
        while let Some(entry) = self.entries.get(*first as usize) {
            if entry.state != EntryState::Replaced {
                return Some(*first);
            }
            *first = entry.next;
        }
        None
    }

    pub fn has_text(&self, text: u128) -> bool {
        self.by_text.contains_key(&text)
    }

    /// Id and text digest of all unseen entries, except those of unreadable files and directories.
    pub fn unseen(&self, unread: &[String]) -> impl Iterator<Item = (&str, u128)> {
        let unread: Vec<(&str, String)> = unread.iter().map(|path| (path.as_str(), paths::prefix(path))).collect();
        let is_unread = |path: &str| unread.iter().any(|(unread, prefix)| path == *unread || path.starts_with(prefix));
        let unread: Vec<bool> = self.files.iter().map(|file| is_unread(&file.canonical)).collect();
        let unseen =
            self.entries.iter().filter(move |entry| entry.state == EntryState::Unseen && !unread[entry.file as usize]);
        unseen.map(|entry| (&*entry.id, entry.text))
    }
}

/// An entry whose file may be one of the command line's.
struct Candidate {
    id: String,
    text: u128,
    metadata: u128,
    canonical: String,
    name: String,
}

impl Candidate {
    fn new(entry: Entry, canonical: String, name: String) -> Self {
        let (text, metadata) = (digest(&entry.text), metadata_digest(entry.metadata.as_ref()));
        Self { id: entry.id, text, metadata, canonical, name }
    }
}

/// A string field of an entry's metadata.
fn text(entry: &Entry, field: &str) -> Option<String> {
    Some(entry.metadata.as_ref()?.get(field)?.as_str()?.to_owned())
}

fn is_within(path: &str, input: &InputPath) -> bool {
    path == input.canonical || input.is_directory && path.starts_with(&paths::prefix(&input.canonical))
}

fn exists(path: &str) -> bool {
    paths::from_text(path).symlink_metadata().is_ok()
}

/// A filter for entries whose file is one of `paths`, or in one of these directories.
fn within<'a>(field: &str, paths: impl IntoIterator<Item = &'a str>, is_directory: bool) -> Filter {
    let compare = |comparison, text: String| Filter::Compare(Field::from(field), comparison, Scalar::Text(text));
    let one = |path: &str| {
        let same = compare(Comparison::Equal, path.into());
        if !is_directory {
            return same;
        }
        let first = paths::prefix(path);
        let last = paths::after(&first);
        let inside = vec![compare(Comparison::GreaterOrEqual, first), compare(Comparison::Less, last)];
        Filter::Or(vec![same, Filter::And(inside)])
    };
    Filter::Or(paths.into_iter().map(one).collect())
}

/// Visits the entries that match a filter; none if no entry has the field.
fn visit(store: &dyn VectorStore, filter: &Filter, mut visit: impl FnMut(Entry)) -> Result<(), CliError> {
    match store.visit(Some(filter), &mut visit) {
        Err(IndexError::UnknownField { .. }) => Ok(()),
        result => Ok(result?),
    }
}

/// The spellings under which a path may have been indexed.
fn spellings(input: &InputPath) -> BTreeSet<String> {
    let plain: PathBuf = input.path.components().filter(|part| *part != Component::CurDir).collect();
    let current_dir = std::env::current_dir().and_then(|path| path.canonicalize()).unwrap_or_default();
    let canonical = paths::from_text(&input.canonical);
    let relative = canonical.strip_prefix(&current_dir).map(Path::to_path_buf).unwrap_or_default();
    let dotted =
        [&plain, &relative].map(|path| if path.is_absolute() { path.clone() } else { Path::new(".").join(path) });
    let all = [input.path.clone(), plain, relative, canonical].into_iter().chain(dotted);
    let texts = all.map(|path| paths::to_text(&path));
    let bare = |text: String| match text.trim_end_matches(MAIN_SEPARATOR) {
        "" => text,
        bare => bare.to_owned(),
    };
    texts.map(bare).filter(|text| !text.is_empty()).collect()
}

/// A 128-bit digest of a text; collisions are not handled.
pub fn digest(text: &str) -> u128 {
    let half = |first: u8| {
        let mut hasher = DefaultHasher::new();
        first.hash(&mut hasher);
        text.hash(&mut hasher);
        u128::from(hasher.finish())
    };
    half(0) << 64 | half(1)
}

/// A digest of metadata, independent of their order.
fn metadata_digest(metadata: Option<&Metadata>) -> u128 {
    let mut fields: Vec<String> =
        metadata.into_iter().flatten().map(|(key, value)| format!("{key:?}{value}")).collect();
    fields.sort_unstable();
    digest(&fields.join("\n"))
}
