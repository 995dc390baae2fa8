//! Vector search in a local store against faiss, hnswlib and usearch.
//!
//! `cargo run --release --features graph --bin vector-search -- --help` explains the program.

mod arguments;
mod data;
mod results;
mod store;

pub use arguments::Arguments;

use crate::{
    environment::Environment,
    error::BenchError,
    script::{Python, VECTOR_SEARCH},
    vectors::Vectors,
};
use data::Data;
use results::{Results, Setting};

/// The recall at which speeds are compared.
const RECALL: f64 = 0.95;
const PEERS: [&str; 4] = ["hnswlib", "usearch", "faiss-hnsw", "faiss-flat"];

/// Prints a table for each size.
///
/// # Errors
/// [`BenchError`] if a file cannot be read or is invalid, there are too few vectors, or a peer fails.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    if let Some(dir) = &arguments.searcher {
        return store::search(dir);
    }
    let Some(path) = &arguments.vectors else { return Ok(()) };
    let Vectors { dim, values } = Vectors::read(path)?.truncate(arguments.width);
    let (found, queries) = (values.len() / dim, arguments.queries);
    let (corpus, query_values) = values.split_at(found.saturating_sub(queries) * dim);
    let python = arguments.peer_python.as_deref().map(Python::new).transpose()?;
    let Environment { machine, load, .. } = Environment::read(Vec::new());
    println!("{}, {} threads, load {load:.1}, {}", machine.cpu, machine.threads, machine.date);
    for &size in &arguments.sizes {
        if queries == 0 || size < results::K || size > corpus.len() / dim {
            return Err(BenchError::TooFew { found, queries, k: size });
        }
        println!("\n{size} vectors of dimension {dim}, {queries} queries that are not among them");
        println!(
            "\n| | built in s | MB on disk | opened in s | MB of memory | candidates | recall@10 | queries/s | on all threads | speedup of elman |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        let failed = |source| BenchError::Scripts { source };
        let dir = tempfile::Builder::new().prefix("elman-bench-").tempdir().map_err(failed)?;
        let vectors = &corpus[..size * dim];
        let data = Data::write(dir.path(), dim, vectors, query_values)?;
        let own = store::measure(&data, dir.path(), vectors)?;
        let best = own.searched.fastest(RECALL).map(|setting| setting.one_thread);
        for setting in own.searched.settings.iter().filter(|setting| setting.default) {
            line(&own, "elman, default", setting, None);
        }
        report(&own, None, arguments.json);
        for peer in python.iter().flat_map(|_| PEERS) {
            let Some(python) = &python else { break };
            let script_arguments = [dir.path().display().to_string(), dim.to_string(), peer.into()];
            match python.run::<Option<Results>>(VECTOR_SEARCH, &script_arguments)? {
                Some(results) => report(&results, best, arguments.json),
                None => println!("| {peer} is not installed | | | | | | | | | |"),
            }
        }
    }
    Ok(())
}

fn report(results: &Results, own: Option<f64>, json: bool) {
    match results.searched.fastest(RECALL) {
        Some(setting) => line(results, &results.name, setting, own.map(|own| own / setting.one_thread)),
        None => println!("| {} does not reach {RECALL} | | | | | | | | | |", results.name),
    }
    if json {
        println!("\n{}\n", serde_json::to_string(results).expect("results serialize to JSON"));
    }
}

fn line(results: &Results, name: &str, setting: &Setting, ratio: Option<f64>) {
    let Results { build_seconds, bytes, searched, .. } = results;
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    let expansion = setting.expansion.map_or_else(String::new, |expansion| expansion.to_string());
    let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
    println!(
        "| {name} | {build_seconds:.1} | {:.0} | {:.2} | {:.0} | {expansion} | {:.3} | {:.0} | {:.0} | {ratio} |",
        megabytes(*bytes),
        searched.open_seconds,
        megabytes(searched.memory),
        setting.recall,
        setting.one_thread,
        setting.all_threads,
    );
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Arguments::command().debug_assert();
    }
}
