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
                stored.add(number, given, entry)
            })?;
        }
        let mut seen_path = (String::new(), false);
        for (number, given) in given.iter().enumerate() {
            let names = spellings(given);
            visit(store, &within(FILE, names.iter().map(String::as_str), given.is_folder), |mut entry| {
                let text = |field| Some(entry.metadata.as_ref()?.get(field)?.as_str()?.to_owned());
                let (Some(file), real) = (text(FILE), text(REAL)) else { return };
                if let Some(real) = real {
                    if stored.is_within(&real, given) {
                        return;
                    }
                    if seen_path.0 != real {
                        seen_path = (real.clone(), paths::of_text(&real).symlink_metadata().is_ok());
                    }
                    if seen_path.1 {
                        stored.taken.insert(number);
                        return;
                    }
                }
                let below = names.iter().find_map(|name| file.strip_prefix(&paths::prefix(name)));
                let real = match below {
                    Some(below) if given.is_folder => paths::prefix(&given.real) + below,
                    _ => given.real.clone(),
                };
                // the digest is of what is stored, which is to be written anew
                let metadata = digest_of(entry.metadata.as_ref());
                entry.metadata.get_or_insert_default().insert(REAL.into(), real.into());
                stored.add_as(number, given, entry, metadata);
            })?;
        }
        Ok(stored)
    }

    fn is_within(&self, real: &str, given: &Given) -> bool {
        real == given.real || given.is_folder && real.starts_with(&paths::prefix(&given.real))
    }

    fn add(&mut self, number: usize, given: &Given, entry: Entry) {
        let metadata = digest_of(entry.metadata.as_ref());
        self.add_as(number, given, entry, metadata);
    }

    fn add_as(&mut self, number: usize, given: &Given, entry: Entry, metadata: u128) {
        let id = digest(&entry.id);
        let text = |field| Some(entry.metadata.as_ref()?.get(field)?.as_str()?.to_owned());
        let (Some(real), Some(name)) = (text(REAL), text(FILE)) else { return };
        if self.by_id.contains_key(&id) {
            return;
        }
        if let Some(below) = real.strip_prefix(&paths::prefix(&given.real))
            && let Some(before) = name.strip_suffix(below)
        {
            self.names.entry(number).or_insert_with(|| before.to_owned());
        }
        let file = *self.by_real.entry(real.clone()).or_insert_with(|| {
            self.files.push(StoredFile { real, name });
            self.files.len() as u32 - 1
        });
        let position = self.entries.len() as u32;
        let text = digest(&entry.text);
        let next = self.by_text.insert(text, position).unwrap_or(NONE);
        self.by_id.insert(id, position);
        self.entries.push(Known { id: entry.id.into(), text, metadata, file, next, state: State::Unmet });
    }

    /// Calls files as the store does, whatever they are called now. What is called as another file in the store is called by
    /// its whole path.
    pub fn name(&self, files: &mut [TextFile], given: &[Given]) {
        for file in files {
            let Given { real, .. } = &given[file.given];
            let below = file.real.strip_prefix(&paths::prefix(real));
            file.name = match (self.by_real.get(&file.real), self.names.get(&file.given), below) {
                (Some(stored), ..) => self.files[*stored as usize].name.clone(),
                (None, Some(before), Some(below)) => format!("{before}{below}"),
                _ if self.taken.contains(&file.given) => file.real.clone(),
                _ => continue,
            };
        }
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
        let within: Vec<bool> = self.files.iter().map(|file| self.is_within(&file.real, given)).collect();
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
        let is_unread = |real: &str| unread.iter().any(|path| real == path || real.starts_with(&paths::prefix(path)));
        let unread: Vec<bool> = self.files.iter().map(|file| is_unread(&file.real)).collect();
        let unmet =
            self.entries.iter().filter(move |entry| entry.state == State::Unmet && !unread[entry.file as usize]);
        unmet.map(|entry| (&*entry.id, entry.text))
    }
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
