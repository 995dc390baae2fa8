mod config;
mod entries;
mod lock;
mod manifest;
mod seal;
mod vectors;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use serde_json::Value;

use crate::{
    entry::{Entry, Hit},
    error::IndexError,
    memory::MemoryStore,
    metric::Metric,
    store::VectorStore,
};
pub use config::FlatStoreConfig;
use manifest::Manifest;

/// Exact search in a folder: a [`MemoryStore`] that [`flush`](VectorStore::flush) writes to disk.
///
/// # Files
/// ```text
/// store.json              format version, generation, d_embed, metric, count, model; size and CRC-32 of:
/// vectors-N.safetensors   one tensor `vectors`, [count, d_embed], F32
/// entries-N.jsonl         a line for each vector: {"id": …, "text": …, "metadata": {…}}
/// store.lock              empty; locked by the writer
/// ```
/// `N` is the generation, a number that each flush changes. A flush writes new files beside the old, syncs them, and
/// then replaces `store.json` at once: after a crash at any moment the folder holds either all that the flush wrote or
/// all that was there before. Files of other generations are removed afterwards.
///
/// Changes since the last flush are in memory only: dropping the store without a flush loses them, and nothing else.
/// A flush writes the whole store, so flush after a batch of changes and not after each.
///
/// One value at a time may be open for writing, in all processes; any number may read, while it writes too, and each
/// keeps the generation that was current when it opened. Opening reads and checks every file: size, checksum, counts,
/// shapes, finite values, unique ids.
#[derive(Debug)]
pub struct FlatStore {
    folder: PathBuf,
    memory: MemoryStore,
    model: Value,
    /// The last generation that was read, written or tried.
    generation: u64,
    changed: bool,
    /// Present if the store is open for writing.
    lock: Option<File>,
}

impl FlatStore {
    /// Makes an empty store and opens it for writing. The folder is made where it does not exist, with those above it.
    ///
    /// # Errors
    /// If there is a store already, the length of vectors is 0 or above [`MAX_D_EMBED`](crate::MAX_D_EMBED), the
    /// identity of the model is larger than 4096 bytes, or the folder cannot be written.
    pub fn create(folder: impl AsRef<Path>, config: FlatStoreConfig) -> Result<Self, IndexError> {
        let folder = folder.as_ref();
        let memory = MemoryStore::new(config.d_embed, config.metric)?;
        manifest::check_model(&config.model)?;
        fs::create_dir_all(folder).map_err(|source| IndexError::Write { path: folder.into(), source })?;
        let lock = lock::lock(folder)?;
        if Manifest::path(folder).exists() {
            return Err(IndexError::Exists { path: folder.into() });
        }
        let model = config.model;
        let mut store = Self { folder: folder.into(), memory, model, generation: 0, changed: true, lock: Some(lock) };
        store.flush()?;
        Ok(store)
    }

    /// Opens a store for writing.
    ///
    /// # Errors
    /// If there is no store, it is open for writing elsewhere, or a file is damaged or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        let folder = folder.as_ref();
        // Before the lock, so that a folder without a store stays as it is.
        Manifest::read(folder)?;
        let lock = lock::lock(folder)?;
        Ok(Self { lock: Some(lock), ..Self::read(folder)? })
    }

    /// Opens a store to read only, which needs no lock and no right to write.
    ///
    /// # Errors
    /// If there is no store, or a file is damaged or cannot be read.
    pub fn open_read_only(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        Self::read(folder.as_ref())
    }

    /// The identity of the model that the vectors were made with, as [`create`](Self::create) was given it.
    pub fn model(&self) -> &Value {
        &self.model
    }

    /// Checks that the vectors were made with the model `expected`.
    ///
    /// # Errors
    /// If [`model`](Self::model) is another.
    pub fn check_model(&self, expected: &Value) -> Result<(), IndexError> {
        if self.model == *expected {
            return Ok(());
        }
        Err(IndexError::Model { path: self.folder.clone(), expected: expected.clone(), found: self.model.clone() })
    }

    /// Reads the current generation.
    fn read(folder: &Path) -> Result<Self, IndexError> {
        let mut manifest = Manifest::read(folder)?;
        loop {
            match Self::read_generation(folder, manifest.clone()) {
                // A writer may have replaced the generation, and removed its files, since store.json was read.
                Err(IndexError::Missing { path }) => {
                    let current = Manifest::read(folder)?;
                    if current.generation == manifest.generation {
                        return Err(IndexError::Missing { path });
                    }
                    manifest = current;
                }
                result => return result,
            }
        }
    }

    fn read_generation(folder: &Path, manifest: Manifest) -> Result<Self, IndexError> {
        let Manifest { generation, d_embed, metric, count, model, .. } = manifest;
        let vectors_path = folder.join(vectors_name(generation));
        let vectors = vectors::read(&vectors_path, &manifest.vectors, count, d_embed)?;
        let entries = entries::read(&folder.join(entries_name(generation)), &manifest.entries, count)?;
        let memory = MemoryStore::new(d_embed, metric)?.filled(entries, vectors);
        Ok(Self { folder: folder.into(), memory, model, generation, changed: false, lock: None })
    }

    /// Removes the files of other generations, which a flush or a crash has left. What cannot be removed (on Windows, a
    /// file that a reader has open) is left to the next flush.
    fn sweep(&self) {
        let current = [vectors_name(self.generation), entries_name(self.generation)];
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let name = file.file_name().into_string().unwrap_or_default();
            if is_generation_file(&name) && !current.contains(&name) {
                let _ = fs::remove_file(file.path());
            }
        }
    }

    fn check_writable(&self) -> Result<(), IndexError> {
        match self.lock {
            Some(_) => Ok(()),
            None => Err(IndexError::ReadOnly { path: self.folder.clone() }),
        }
    }
}

fn vectors_name(generation: u64) -> String {
    format!("vectors-{generation}.safetensors")
}

fn entries_name(generation: u64) -> String {
    format!("entries-{generation}.jsonl")
}

/// Whether a file is one that some flush of a store has named.
fn is_generation_file(name: &str) -> bool {
    let vectors = name.strip_prefix("vectors-").and_then(|rest| rest.strip_suffix(".safetensors"));
    let entries = name.strip_prefix("entries-").and_then(|rest| rest.strip_suffix(".jsonl"));
    vectors.or(entries).is_some_and(|number| number.parse::<u64>().is_ok())
}

impl VectorStore for FlatStore {
    fn d_embed(&self) -> usize {
        self.memory.d_embed()
    }

    fn metric(&self) -> Metric {
        self.memory.metric()
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        self.check_writable()?;
        let changed = !entries.is_empty();
        self.memory.upsert(entries)?;
        self.changed |= changed;
        Ok(())
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        self.check_writable()?;
        let before = self.memory.count()?;
        self.memory.delete(ids)?;
        self.changed |= self.memory.count()? != before;
        Ok(())
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        self.memory.get(id)
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        self.memory.search(query, count)
    }

    fn count(&self) -> Result<usize, IndexError> {
        self.memory.count()
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        if !self.changed {
            return Ok(());
        }
        // Counted before it succeeds: if replacing store.json fails half-way, this generation may be the current one,
        // and the next try must not touch its files. A number from a file may be the last one, hence wrapping.
        self.generation = self.generation.wrapping_add(1);
        let (folder, memory) = (&self.folder, &self.memory);
        let vectors = vectors::write(&folder.join(vectors_name(self.generation)), memory.d_embed(), memory.vectors())?;
        let entries = entries::write(&folder.join(entries_name(self.generation)), memory.entries())?;
        let shape = (memory.d_embed(), memory.metric(), memory.entries().len());
        Manifest::new(self.generation, shape, self.model.clone(), (vectors, entries)).write(folder)?;
        self.changed = false;
        self.sweep();
        Ok(())
    }
}
