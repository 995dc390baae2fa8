//! Searching a store in a folder beside faiss, hnswlib and usearch, in one run.
//!
//! `cargo run --release --features graph --bin vector-search -- --help` explains the program.

mod arguments;
mod data;
mod figures;
mod store;

pub use arguments::Arguments;

use crate::{
    environment::Environment,
    error::BenchError,
    script::{Python, VECTOR_SEARCH},
    vectors::Vectors,
};
use data::Data;
use figures::{Figures, Setting};

/// The share of the true neighbours at which speeds are compared.
const RECALL: f64 = 0.95;
const PEERS: [&str; 4] = ["hnswlib", "usearch", "faiss-hnsw", "faiss-flat"];

/// Prints a table for each size.
///
/// # Errors
/// [`BenchError`]: a file that cannot be read or holds something else, too few vectors, a peer that fails.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    if let Some(folder) = &arguments.searcher {
        return store::search(folder);
    }
    let Some(path) = &arguments.vectors else { return Ok(()) };
    let Vectors { width, values } = Vectors::read(path)?.cut(arguments.width);
    let (found, queries) = (values.len() / width, arguments.queries);
    let (among, asked) = values.split_at(found.saturating_sub(queries) * width);
    let python = arguments.peer_python.as_deref().map(Python::new).transpose()?;
    let Environment { machine, load, .. } = Environment::read(Vec::new());
    println!("{}, {} threads, load {load:.1}, {}", machine.cpu, machine.threads, machine.date);
    for &size in &arguments.sizes {
        if queries == 0 || size < figures::K || size > among.len() / width {
            return Err(BenchError::TooFew { found, queries, k: size });
        }
        println!("\n{size} vectors of {width} numbers, {queries} queries that are not among them");
        println!(
            "\n| | built in s | MB on disk | opened in s | MB of memory | candidates | recall@10 | queries/s | on all threads | elman is faster by |"
        );
        println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
        let failed = |source| BenchError::Scripts { source };
        let folder = tempfile::Builder::new().prefix("elman-bench-").tempdir().map_err(failed)?;
        let vectors = &among[..size * width];
        let data = Data::write(folder.path(), width, vectors, asked)?;
        let own = store::measure(&data, folder.path(), vectors)?;
        let best = own.searched.fastest(RECALL).map(|setting| setting.one_thread);
        for setting in own.searched.settings.iter().filter(|setting| setting.default) {
            line(&own, "elman, as it comes", setting, None);
        }
        report(&own, None, arguments.json);
        for peer in python.iter().flat_map(|_| PEERS) {
            let Some(python) = &python else { break };
            let arguments_of = [folder.path().display().to_string(), width.to_string(), peer.into()];
            match python.run::<Option<Figures>>(VECTOR_SEARCH, &arguments_of)? {
                Some(figures) => report(&figures, best, arguments.json),
                None => println!("| {peer} is not there | | | | | | | | | |"),
            }
        }
    }
    Ok(())
}

fn report(figures: &Figures, own: Option<f64>, json: bool) {
    match figures.searched.fastest(RECALL) {
        Some(setting) => line(figures, &figures.name, setting, own.map(|own| own / setting.one_thread)),
        None => println!("| {} does not reach {RECALL} | | | | | | | | | |", figures.name),
    }
    if json {
        println!("\n{}\n", serde_json::to_string(figures).expect("numbers are valid JSON"));
    }
}

fn line(figures: &Figures, name: &str, setting: &Setting, ratio: Option<f64>) {
    let Figures { build_seconds, bytes, searched, .. } = figures;
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
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
