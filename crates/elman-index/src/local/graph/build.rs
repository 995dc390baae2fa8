//! Building a graph, and adding new entries to it.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::{
    builder::GraphBuilder,
    manifest::{GraphManifest, graph_path},
};
use crate::{
    error::IndexError,
    local::{Inner, LocalStore, condition::Condition, database::Database},
};

/// Below this number of entries, a search without a graph is faster than opening one.
const MIN_ENTRIES: usize = 50_000;
/// Maximum number of entries that are not in the graph: this, or the size of the graph divided by `MAX_NEW_DIVISOR`, if
/// that is more. Each query is compared with all of them.
const MAX_NEW: usize = 10_000;
const MAX_NEW_DIVISOR: usize = 10;
/// A graph is rebuilt if more than its size divided by this are deleted from the store.
const MAX_GONE_DIVISOR: usize = 5;
/// Rows per read.
const READ_BATCH: i64 = 8192;

/// State of a store's graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphInfo {
    /// Entries in the graph.
    pub entries: usize,
    /// Upper bound on the number of these that are no longer in the store.
    pub gone: usize,
    /// Entries that are not in the graph. Each query is compared with all of them.
    pub new: usize,
    /// Size of the graph file.
    pub bytes: u64,
}

impl LocalStore {
    /// Sets the number of candidates of a graph search, `ef` in the paper. More increase recall and time. Default: 144.
    pub fn with_expansion(mut self, expansion: usize) -> Self {
        self.expansion = expansion.max(1);
        self.inner().graph = None;
        self
    }

    /// Information on the graph, or `None` if the store has none. Does not read the graph file.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    pub fn graph(&self) -> Result<Option<GraphInfo>, IndexError> {
        let Some(manifest) = self.manifest()? else { return Ok(None) };
        self.inner().database.read(|rows| {
            let gone = usize::try_from(rows.removed()? - manifest.removed).unwrap_or(0).min(manifest.entries);
            Ok(Some(GraphInfo {
                entries: manifest.entries,
                gone,
                new: rows.count_after(manifest.last_row)?,
                bytes: manifest.bytes(),
            }))
        })
    }

    /// Whether [`build_graph`](Self::build_graph) would make searches much faster: the store has at least 50,000
    /// entries, and no graph, or one that lacks many entries or contains many deleted ones.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    pub fn needs_graph(&self) -> Result<bool, IndexError> {
        let count = self.inner().database.read(|rows| rows.count())?;
        Ok(count >= MIN_ENTRIES
            && self.graph()?.is_none_or(|graph| {
                graph.new > MAX_NEW.max(graph.entries / MAX_NEW_DIVISOR)
                    || graph.gone > graph.entries / MAX_GONE_DIVISOR
            }))
    }

    /// Builds a graph of the entries, or adds new entries to an existing one, on all of rayon's threads. Takes minutes
    /// for millions of entries. The store can be read and written meanwhile. Calls `progress` with the rows done and
    /// their total.
    ///
    /// # Errors
    /// If the store is open read-only, damaged, or cannot be read or written, or another program is building its graph.
    pub fn build_graph(&mut self, mut progress: impl FnMut(usize, usize)) -> Result<(), IndexError> {
        if !self.writable {
            return Err(IndexError::ReadOnly { path: self.folder.clone() });
        }
        let _lock = lock_graph(&self.folder)?;
        let failed = |source: cxx::Exception| IndexError::Graph { path: self.folder.clone(), source: source.into() };
        let write_failed = |source: io::Error| IndexError::Write { path: self.folder.clone(), source };
        let existing = self.manifest()?;
        let Inner { database, graph, .. } = &mut *self.inner();
        let (last, removed) = database.read(|rows| Ok((rows.last_row()?, rows.removed()?)))?;

        // extend the existing graph, unless many of its entries were deleted
        let mostly_current =
            |manifest: &GraphManifest| removed - manifest.removed <= (manifest.entries / MAX_GONE_DIVISOR) as i64;
        let existing = existing.filter(mostly_current).and_then(|manifest| {
            let path = manifest.verified_path(&self.folder)?;
            Some((GraphBuilder::load(&self.config, &path, manifest.entries)?, manifest.last_row, manifest.removed))
        });
        let (mut builder, indexed_to, removed) = match existing {
            Some(existing) => existing,
            None => (GraphBuilder::new(&self.config).map_err(failed)?, 0, removed),
        };
        let total = database.read(|rows| rows.count_after(indexed_to))?;
        let initial = builder.len();
        builder.reserve(total).map_err(failed)?;
        for_each_batch(database, indexed_to, last, |rows, vectors| {
            builder.add(rows, vectors).map_err(failed)?;
            progress((builder.len() - initial).min(total), total);
            Ok(())
        })?;
        builder.repair_unreachable().map_err(failed)?;

        let graph_id = database.read(|rows| rows.random_id())?;
        let path = graph_path(&self.folder, &graph_id);
        let Some(name) = path.to_str() else {
            return Err(write_failed(io::Error::other("the path of the folder is not valid UTF-8")));
        };
        let written = builder.save(name).map_err(failed).and_then(|()| {
            GraphManifest::for_file(&self.folder, graph_id.clone(), last, builder.len(), removed).map_err(write_failed)
        });
        let written = written.and_then(|manifest| {
            // under the write lock; if only one of the two is written, the graph is not used
            database.write(|rows| {
                rows.set_graph_id(&graph_id)?;
                manifest.write(&self.folder).map_err(write_failed)
            })
        });
        if written.is_err() {
            let _ = fs::remove_file(path);
        } else {
            *graph = None;
            remove_old_graphs(&self.folder, &graph_id);
        }
        written
    }

    /// The manifest of this store's graph.
    fn manifest(&self) -> Result<Option<GraphManifest>, IndexError> {
        let graph_id = self.inner().database.read(|rows| rows.graph_id())?;
        Ok(GraphManifest::read(&self.folder).filter(|manifest| Some(&manifest.graph_id) == graph_id.as_ref()))
    }
}

/// Reads the rows after `after` up to `last`, and their vectors, in batches.
fn for_each_batch(
    database: &mut Database,
    mut after: i64,
    last: i64,
    mut visit: impl FnMut(&[i64], &[f32]) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let (mut row_ids, mut vectors) = (Vec::new(), Vec::new());
    while after < last {
        let to = last.min(after + READ_BATCH);
        row_ids.clear();
        vectors.clear();
        database.read(|rows| {
            rows.each_vector(&Condition::between(after, to), |row, bytes| {
                row_ids.push(row);
                rows.push_vector(bytes, &mut vectors)
            })
        })?;
        visit(&row_ids, &vectors)?;
        after = to;
    }
    Ok(())
}

/// Locks the graph for building, until the file is closed.
fn lock_graph(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join("graph.lock");
    let file = File::create(&path).map_err(|source| IndexError::Write { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(IndexError::Write { path, source }),
    }
}

/// Removes all other graph files: older ones, and those that killed programs left behind.
fn remove_old_graphs(folder: &Path, graph_id: &str) {
    let current = graph_path(folder, graph_id);
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let is_graph = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("graph-") && name.ends_with(".usearch")
    };
    // on Windows, a file that a reader has open stays until the next build
    files.filter(|path| is_graph(path) && *path != current).for_each(|path| drop(fs::remove_file(path)));
}
