mod condition;
mod database;
#[cfg(feature = "graph")]
mod graph;
mod lexical;
mod loaded;
mod rows;
mod search;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use database::Database;
#[cfg(feature = "graph")]
pub use graph::GraphInfo;
use loaded::Loaded;
use rows::Rows;
use serde_json::Value;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_d_embed, check_entries},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a folder of this machine: every change is on disk when it returns.
///
/// # The folder
/// `store.sqlite` is a [SQLite](https://sqlite.org) database, with SQLite's own `-wal` and `-shm` beside it while it is
/// open. Other programs can read it: the table `entries` has a row for each entry, with id, text, metadata as JSON, and
/// the vector as 32-bit floating point, little-endian. They should not write it: pages have checksums, which only this
/// crate keeps ([`elman_sqlite`]), and a page without the right one is an error.
///
/// # Changes
/// [`upsert`](VectorStore::upsert) and [`delete`](VectorStore::delete) are transactions: when they return, all of it is
/// on disk; where they fail, or the program dies, none of it. [`flush`](VectorStore::flush) has nothing to do. Several
/// values, in any processes, may be open at once: those that write wait for one another, those that read see what was
/// there when they began.
///
/// # Search
/// Without a graph, exact: the vectors are read once and kept in memory, up to 512 MiB of them; where a filter leaves few
/// entries, only theirs are read. Hits with equal scores come in the order in which they were last written.
///
/// With the feature `graph`, `build_graph` writes a graph of neighbours beside the database, `graph-….usearch`, described
/// by `graph.json`. Searches then find nearly all of the true neighbours, much faster where there are many. It is
/// a cache, which may be deleted at any time: candidates are compared by the vectors of the database, entries that it has
/// not are compared one by one, those that are gone are left out, a filter that leaves few entries is answered exactly,
/// and one that is damaged, or of another store, is not used. [`search_exact`](LocalStore::search_exact) never uses it.
///
/// ```
/// use elman_index::{Entry, LocalStore, StoreConfig, VectorStore};
/// use serde_json::json;
///
/// # let parent = tempfile::tempdir().unwrap();
/// # let folder = parent.path().join("store");
/// let mut store = LocalStore::create(&folder, StoreConfig::new(2).with_model("my model"))?;
/// let metadata = |value: serde_json::Value| value.as_object().cloned().unwrap();
/// store.upsert(vec![
///     Entry::new("a", vec![0.9, 0.1], "a cat sat on the mat").with_metadata(metadata(json!({"year": 1999}))),
///     Entry::new("b", vec![0.8, 0.2], "a dog in the fog").with_metadata(metadata(json!({"year": 2012}))),
/// ])?;
///
/// let store = LocalStore::open_read_only(&folder)?;
/// store.check_model(&"my model".into())?;
/// assert_eq!(store.search(&[1.0, 0.0], 1)?[0].id, "a");
/// assert_eq!(store.search_where(&[1.0, 0.0], 1, &"year > 2000".parse()?)?[0].id, "b");
/// assert_eq!(store.search_text("fog", 1, None)?[0].id, "b");
/// # Ok::<(), elman_index::IndexError>(())
/// ```
#[derive(Debug)]
pub struct LocalStore {
    folder: PathBuf,
    config: StoreConfig,
    writable: bool,
    /// Candidates of a search by the graph.
    #[cfg(feature = "graph")]
    expansion: usize,
    inner: Mutex<Inner>,
    /// Connections of searches by the graph, which need not wait for one another.
    #[cfg(feature = "graph")]
    readers: Mutex<Vec<Database>>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    loaded: Option<Loaded>,
    #[cfg(feature = "graph")]
    graph: graph::Kept,
}

impl LocalStore {
    /// Makes an empty store and opens it for writing. The folder is made where it does not exist, with those above it.
    ///
    /// # Errors
    /// If there is a store already, the length of vectors is 0 or above [`MAX_DIM`](crate::MAX_DIM), the
    /// identity of the model is larger than 4096 bytes, or the folder cannot be written.
    pub fn create(folder: impl AsRef<Path>, config: StoreConfig) -> Result<Self, IndexError> {
        check_d_embed(config.d_embed)?;
        let database = Database::create(folder.as_ref(), &config)?;
        Ok(Self::with(folder.as_ref(), config, database, true))
    }

    /// Opens a store for writing.
    ///
    /// # Errors
    /// If there is no store, or it is damaged, of a newer format, or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        let (database, config) = Database::open(folder.as_ref(), true)?;
        Ok(Self::with(folder.as_ref(), config, database, true))
    }

    /// Opens a store to read only, which needs no right to write.
    ///
    /// # Errors
    /// If there is no store, or it is damaged, of a newer format, or cannot be read.
    pub fn open_read_only(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        let (database, config) = Database::open(folder.as_ref(), false)?;
        Ok(Self::with(folder.as_ref(), config, database, false))
    }

    fn with(folder: &Path, config: StoreConfig, database: Database, writable: bool) -> Self {
        Self {
            folder: folder.into(),
            config,
            writable,
            #[cfg(feature = "graph")]
            expansion: graph::EXPANSION_SEARCH,
            inner: Mutex::new(Inner {
                database,
                loaded: None,
                #[cfg(feature = "graph")]
                graph: None,
            }),
            #[cfg(feature = "graph")]
            readers: Mutex::default(),
        }
    }

    fn write<T>(&mut self, change: impl FnOnce(&Rows<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        match self.writable {
            true => self.inner().database.write(change),
            false => Err(IndexError::ReadOnly { path: self.folder.clone() }),
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Reads beside all others who do.
    #[cfg(feature = "graph")]
    fn reading<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let kept = lock(&self.readers).pop();
        let mut database = match kept {
            Some(database) => database,
            None => Database::open(&self.folder, false)?.0,
        };
        let result = database.read(read);
        lock(&self.readers).push(database);
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // what a panic left undone, SQLite rolls back
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl VectorStore for LocalStore {
    fn dim(&self) -> usize {
        self.config.d_embed
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.d_embed, self.config.metric)?;
        self.write(|rows| entries.iter().try_for_each(|entry| rows.put(entry)))
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        self.write(|rows| ids.iter().try_for_each(|id| rows.remove(id)))
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        self.inner().database.read(|rows| rows.get(id))
    }

    /// In the order in which they were last written. What is called must not use this store, which waits until all are
    /// visited.
    fn visit(&self, filter: Option<&Filter>, visit: &mut dyn FnMut(Entry)) -> Result<(), IndexError> {
        self.inner().database.read(|rows| {
            rows.check_fields(filter)?;
            rows.visit(filter, visit)
        })
    }

    fn ids(&self, filter: Option<&Filter>) -> Result<Vec<String>, IndexError> {
        self.inner().database.read(|rows| {
            rows.check_fields(filter)?;
            rows.ids(filter)
        })
    }

    fn fields(&self) -> Result<Vec<String>, IndexError> {
        self.inner().database.read(|rows| rows.fields())
    }

    fn search(&self, query: &[f32], count: usize) -> Result<Vec<Hit>, IndexError> {
        self.nearest(query, count, None)
    }

    fn search_where(&self, query: &[f32], count: usize, filter: &Filter) -> Result<Vec<Hit>, IndexError> {
        self.nearest(query, count, Some(filter))
    }

    fn count(&self) -> Result<usize, IndexError> {
        self.inner().database.read(|rows| rows.count())
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        Ok(())
    }
}
