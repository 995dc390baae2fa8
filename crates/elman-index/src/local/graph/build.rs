//! Making a graph, or adding to it what is new.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
};

use super::{
    growing::Growing,
    stamp::{self, Stamp},
};
use crate::{
    error::IndexError,
    local::{Inner, LocalStore, condition::Condition, database::Database},
};

/// Fewer entries than these are searched faster without a graph than one is opened.
const WORTH: usize = 50_000;
/// Entries behind the graph that are compared with every query, or this part of the graph if that is more.
const NEW: usize = 10_000;
const NEW_PART: usize = 10;
/// The part of a graph that may be gone from the store before it is made anew.
const GONE_PART: usize = 5;
/// Rows that are read together.
const TOGETHER: i64 = 8192;

/// How far the graph of a store goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GraphInfo {
    /// Entries in the graph.
    pub entries: usize,
    /// How many of them, at the most, are no longer in the store.
    pub gone: usize,
    /// Entries of the store that are not in the graph: each is compared with every query.
    pub new: usize,
    /// The size of its file.
    pub bytes: u64,
}

impl LocalStore {
    /// Sets how many candidates a search by the graph looks at, which trades time for finding more of the true neighbours;
    /// 144 unless chosen otherwise. `ef` in the paper.
    pub fn with_expansion(mut self, expansion: usize) -> Self {
        self.expansion = expansion.max(1);
        self.inner().graph = None;
        self
    }

    /// The graph of the store, if there is one that belongs to it. Its file is not read.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    pub fn graph(&self) -> Result<Option<GraphInfo>, IndexError> {
        let Some(stamp) = self.stamp()? else { return Ok(None) };
        self.inner().database.read(|rows| {
            let gone = usize::try_from(rows.removed()? - stamp.removed).unwrap_or(0).min(stamp.entries);
            Ok(Some(GraphInfo {
                entries: stamp.entries,
                gone,
                new: rows.count_after(stamp.last_row)?,
                bytes: stamp.bytes(),
            }))
        })
    }

    /// Whether [`build_graph`](Self::build_graph) would make searches much faster: there are 50,000 entries or more, and
    /// no graph, or much that is not in it, or much in it that is gone.
    ///
    /// # Errors
    /// If the store is damaged or cannot be read.
    pub fn needs_graph(&self) -> Result<bool, IndexError> {
        let count = self.inner().database.read(|rows| rows.count())?;
        Ok(count >= WORTH
            && self.graph()?.is_none_or(|graph| {
                graph.new > NEW.max(graph.entries / NEW_PART) || graph.gone > graph.entries / GONE_PART
            }))
    }

    /// Makes a graph of the entries, or adds those that are new, on all of rayon's threads, which takes minutes among
    /// millions. Others can read and write the store meanwhile. `progress` is told how many rows of how many are
    /// done.
    ///
    /// # Errors
    /// If the store is open to read only, damaged, cannot be read or written, or another program is making its graph.
    pub fn build_graph(&mut self, mut progress: impl FnMut(usize, usize)) -> Result<(), IndexError> {
        if !self.writable {
            return Err(IndexError::ReadOnly { path: self.folder.clone() });
        }
        let _alone = alone(&self.folder)?;
        let failed = |source: cxx::Exception| IndexError::Graph { path: self.folder.clone(), source: source.into() };
        let unwritten = |source: io::Error| IndexError::Write { path: self.folder.clone(), source };
        let kept = self.stamp()?;
        let Inner { database, graph, .. } = &mut *self.inner();
        let (last, removed) = database.read(|rows| Ok((rows.last_row()?, rows.removed()?)))?;

        // what is there is added to, unless much of it is gone
        let mostly_there = |stamp: &Stamp| removed - stamp.removed <= (stamp.entries / GONE_PART) as i64;
        let kept = kept.filter(mostly_there).and_then(|stamp| {
            let path = stamp.checked_file(&self.folder)?;
            Some((Growing::load(&self.config, &path, stamp.entries)?, stamp.last_row, stamp.removed))
        });
        let (mut growing, kept_to, removed) = match kept {
            Some(kept) => kept,
            None => (Growing::new(&self.config).map_err(failed)?, 0, removed),
        };
        let of = database.read(|rows| rows.count_after(kept_to))?;
        let begun = growing.len();
        growing.reserve(of).map_err(failed)?;
        each_some(database, kept_to, last, |rows, vectors| {
            growing.add(rows, vectors).map_err(failed)?;
            progress((growing.len() - begun).min(of), of);
            Ok(())
        })?;
        growing.mend().map_err(failed)?;

        let generation = database.read(|rows| rows.random_name())?;
        let path = stamp::path(&self.folder, &generation);
        let Some(name) = path.to_str() else {
            return Err(unwritten(io::Error::other("the name of the folder is not valid UTF-8")));
        };
        let written = growing.save(name).map_err(failed).and_then(|()| {
            Stamp::of_file(&self.folder, generation.clone(), last, growing.len(), removed).map_err(unwritten)
        });
        let written = written.and_then(|stamp| {
            // both or neither, for all who write: what does not fit is not used
            database.write(|rows| {
                rows.set_generation(&generation)?;
                stamp.write(&self.folder).map_err(unwritten)
            })
        });
        if written.is_err() {
            let _ = fs::remove_file(path);
        } else {
            *graph = None;
            remove_others(&self.folder, &generation);
        }
        written
    }

    /// What is known of the graph that belongs to this store.
    fn stamp(&self) -> Result<Option<Stamp>, IndexError> {
        let generation = self.inner().database.read(|rows| rows.generation())?;
        Ok(Stamp::read(&self.folder).filter(|stamp| Some(&stamp.generation) == generation.as_ref()))
    }
}

/// Rows after one and up to another, some at a time, and their vectors.
fn each_some(
    database: &mut Database,
    mut after: i64,
    last: i64,
    mut each: impl FnMut(&[i64], &[f32]) -> Result<(), IndexError>,
) -> Result<(), IndexError> {
    let (mut numbers, mut vectors) = (Vec::new(), Vec::new());
    while after < last {
        let to = last.min(after + TOGETHER);
        numbers.clear();
        vectors.clear();
        database.read(|rows| {
            rows.each_vector(&Condition::between(after, to), |row, bytes| {
                numbers.push(row);
                rows.vector(bytes, &mut vectors)
            })
        })?;
        each(&numbers, &vectors)?;
        after = to;
    }
    Ok(())
}

/// The right to make the graph, held as long as the file is open.
fn alone(folder: &Path) -> Result<File, IndexError> {
    let path = folder.join("graph.lock");
    let file = File::create(&path).map_err(|source| IndexError::Write { path: path.clone(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(IndexError::Locked { path }),
        Err(TryLockError::Error(source)) => Err(IndexError::Write { path, source }),
    }
}

/// Removes graphs that are not this one: older ones, and what a program that was killed has left.
fn remove_others(folder: &Path, generation: &str) {
    let current = stamp::path(folder, generation);
    let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
    let is_graph = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("graph-") && name.ends_with(".usearch")
    };
    // where a reader has one open, as on Windows, it stays until the next time
    files.filter(|path| is_graph(path) && *path != current).for_each(|path| drop(fs::remove_file(path)));
}
