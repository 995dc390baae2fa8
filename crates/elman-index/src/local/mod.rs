mod condition;
mod database;
#[cfg(feature = "graph")]
mod graph;
mod lexical;
mod rows;
mod search;
mod vector_cache;

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use database::Database;
#[cfg(feature = "graph")]
pub use graph::GraphInfo;
use rows::Rows;
use serde_json::Value;
use vector_cache::VectorCache;

use crate::{
    config::StoreConfig,
    entry::{Entry, Hit, check_dim, check_entries},
    error::IndexError,
    filter::Filter,
    metric::Metric,
    store::VectorStore,
};

/// A store in a local folder. Changes are durable when a call returns.
///
/// # Files
/// `store.sqlite` is an [SQLite](https://sqlite.org) database, with SQLite's `-wal` and `-shm` files while it is open.
/// Other programs can read it: the table `entries` has a row for each entry, with id, text, metadata as JSON, and the
/// vector as little-endian `f32`. They should not write it: pages have checksums, which only this crate maintains
/// ([`elman_sqlite`]), and reading a page with a wrong checksum is an error.
///
/// # Transactions
/// [`upsert`](VectorStore::upsert) and [`delete`](VectorStore::delete) are transactions: durable when they return,
/// rolled back if they fail or the program dies. [`flush`](VectorStore::flush) does nothing. A store can be open
/// several times, in any number of processes: writers wait for each other, and readers see the state at the start of
/// their transaction.
///
/// # Search
/// Exact without a graph: vectors are cached in memory, up to 512 MiB; with a filter, only the vectors of matching
/// entries are read. Ties are in the order in which entries were last written.
///
/// With the feature `graph`, `build_graph` writes an HNSW graph next to the database: `graph-….usearch`, described by
/// `graph.json`. Searches then return nearly all of the true nearest neighbors, much faster in large stores. The graph
/// is a cache and may be deleted at any time: candidates are scored by the vectors in the database, entries that are
/// not in the graph are compared one by one, deleted ones are skipped, and a filter that few entries match is answered
/// exactly. A damaged graph, or that of another store, is not used. [`search_exact`](LocalStore::search_exact) never
/// uses it.
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
    /// Candidates of a graph search: `ef`.
    #[cfg(feature = "graph")]
    expansion: usize,
    inner: Mutex<Inner>,
    /// Idle connections for concurrent graph searches.
    #[cfg(feature = "graph")]
    readers: Mutex<Vec<Database>>,
}

#[derive(Debug)]
struct Inner {
    database: Database,
    vectors: Option<VectorCache>,
    #[cfg(feature = "graph")]
    graph: graph::CachedGraph,
}

impl LocalStore {
    /// Creates an empty store and opens it for writing. Creates the folder and its parents if they do not exist.
    ///
    /// # Errors
    /// If the folder holds a store already, the dimension is 0 or above [`MAX_DIM`](crate::MAX_DIM), the identity of
    /// the model is larger than 4096 bytes, or the folder cannot be written.
    pub fn create(folder: impl AsRef<Path>, config: StoreConfig) -> Result<Self, IndexError> {
        check_dim(config.dim)?;
        let database = Database::create(folder.as_ref(), &config)?;
        Ok(Self::new(folder.as_ref(), config, database, true))
    }

    /// Opens a store for writing.
    ///
    /// # Errors
    /// If there is no store, or it is damaged, has a newer format, or cannot be read.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        let (database, config) = Database::open(folder.as_ref(), true)?;
        Ok(Self::new(folder.as_ref(), config, database, true))
    }

    /// Opens a store read-only. Needs no write permission.
    ///
    /// # Errors
    /// If there is no store, or it is damaged, has a newer format, or cannot be read.
    pub fn open_read_only(folder: impl AsRef<Path>) -> Result<Self, IndexError> {
        let (database, config) = Database::open(folder.as_ref(), false)?;
        Ok(Self::new(folder.as_ref(), config, database, false))
    }

    fn new(folder: &Path, config: StoreConfig, database: Database, writable: bool) -> Self {
        Self {
            folder: folder.into(),
            config,
            writable,
            #[cfg(feature = "graph")]
            expansion: graph::EXPANSION_SEARCH,
            inner: Mutex::new(Inner {
                database,
                vectors: None,
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

    /// Reads on a connection of its own, concurrently with other readers.
    #[cfg(feature = "graph")]
    fn read_concurrently<T>(&self, read: impl FnOnce(&Rows<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let idle = lock(&self.readers).pop();
        let mut database = match idle {
            Some(database) => database,
            None => Database::open(&self.folder, false)?.0,
        };
        let result = database.read(read);
        lock(&self.readers).push(database);
        result
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // SQLite rolls back what a panic left unfinished
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl VectorStore for LocalStore {
    fn dim(&self) -> usize {
        self.config.dim
    }

    fn metric(&self) -> Metric {
        self.config.metric
    }

    fn model(&self) -> &Value {
        &self.config.model
    }

    fn upsert(&mut self, entries: Vec<Entry>) -> Result<(), IndexError> {
        check_entries(&entries, self.config.dim, self.config.metric)?;
        self.write(|rows| entries.iter().try_for_each(|entry| rows.put(entry)))
    }

    fn delete(&mut self, ids: &[&str]) -> Result<(), IndexError> {
        self.write(|rows| ids.iter().try_for_each(|id| rows.remove(id)))
    }

    fn get(&self, id: &str) -> Result<Option<Entry>, IndexError> {
        self.inner().database.read(|rows| rows.get(id))
    }

    /// Visits entries in the order in which they were last written. The callback must not use this store: it is locked.
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
