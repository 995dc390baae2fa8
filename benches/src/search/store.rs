//! elman's contestant: builds the store, and searches it in a child process.

use std::{fs, io, path::Path, process::Command, time::Instant};

use elman::index::{Entry, IndexError, LocalStore, StoreConfig, VectorStore};
use rayon::prelude::*;

use super::{
    data::Data,
    results::{EXPANSIONS, Results, Searched, Setting, recall},
};
use crate::error::BenchError;

/// Entries per transaction.
const BATCH: usize = 8192;

/// Builds a store with its HNSW graph, and searches it in a child process.
pub(super) fn measure(data: &Data, dir: &Path, vectors: &[f32]) -> Result<Results, BenchError> {
    let store = dir.join("store");
    let begin = Instant::now();
    build(&store, data.dim, vectors)?;
    let build_seconds = begin.elapsed().as_secs_f64();
    let failed = |source: io::Error| BenchError::Read { path: store.clone(), source };
    let mut bytes = 0;
    for file in fs::read_dir(&store).map_err(failed)? {
        bytes += file.and_then(|file| file.metadata()).map_err(failed)?.len();
    }
    let program = std::env::current_exe().map_err(failed)?;
    let output = Command::new(program).arg("--searcher").arg(dir).output().map_err(failed)?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(BenchError::Searcher { reason });
    }
    let searched = serde_json::from_slice(&output.stdout)
        .map_err(|error| BenchError::Searcher { reason: format!("invalid output: {error}") })?;
    Ok(Results { name: "elman".into(), build_seconds, bytes, searched })
}

fn build(dir: &Path, dim: usize, vectors: &[f32]) -> Result<(), IndexError> {
    let mut store = LocalStore::create(dir, StoreConfig::new(dim))?;
    let mut id = 0;
    for batch in vectors.chunks(BATCH * dim) {
        let entries = batch.chunks_exact(dim).map(|vector| {
            let entry = Entry::new(id.to_string(), vector.to_vec(), format!("the text of entry {id}"));
            id += 1;
            entry
        });
        store.upsert(entries.collect())?;
    }
    store.build_graph(|_, _| {})
}

/// Searches the store in a directory and prints the measurements as JSON.
pub(super) fn search(dir: &Path) -> Result<(), BenchError> {
    let data = Data::read(dir)?;
    let queries: Vec<&[f32]> = data.queries().collect();
    let before = memory("VmRSS");
    let begin = Instant::now();
    let store = LocalStore::open_read_only(dir.join("store"))?;
    store.search(queries[0], 10)?;
    let open_seconds = begin.elapsed().as_secs_f64();
    let mut settings = vec![setting(&store, &data, None)?];
    settings[0].default = true;
    let mut store = store;
    for expansion in EXPANSIONS {
        store = store.with_expansion(expansion);
        settings.push(setting(&store, &data, Some(expansion))?);
    }
    let memory = memory("VmHWM").saturating_sub(before);
    let searched = Searched { open_seconds, memory, settings };
    println!("{}", serde_json::to_string(&searched).expect("measurements serialize to JSON"));
    Ok(())
}

fn setting(store: &LocalStore, data: &Data, expansion: Option<usize>) -> Result<Setting, BenchError> {
    let rows = |query: &[f32]| -> Result<Vec<i32>, IndexError> {
        Ok(store.search(query, 10)?.iter().map(|hit| hit.id.parse().expect("ids are row numbers")).collect())
    };
    let queries: Vec<&[f32]> = data.queries().collect();
    // warm-up: reads the store from disk
    queries.par_iter().try_for_each(|query| rows(query).map(drop))?;
    let begin = Instant::now();
    let found = queries.iter().map(|query| rows(query)).collect::<Result<Vec<_>, _>>()?;
    let one_thread = queries.len() as f64 / begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    queries.par_iter().try_for_each(|query| rows(query).map(drop))?;
    let all_threads = queries.len() as f64 / begin.elapsed().as_secs_f64();
    Ok(Setting { expansion, default: false, recall: recall(&data.exact, &found), one_thread, all_threads })
}

/// A memory statistic of this process in bytes, from `/proc/self/status`; 0 without Linux.
fn memory(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok()).unwrap_or(0) * 1024
}
