use clap::Args;
use elman::index::{GraphInfo, LocalStore};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{command::store::StoreArgument, error::CliError, output};

/// Build the HNSW graph that speeds up search in large stores, or add new entries to it.
///
/// 'elman index' does this automatically for 50,000 entries or more. Takes minutes for millions of entries; the store
/// can be read and written in the meantime.
#[derive(Args, Debug)]
pub struct Graph {
    #[command(flatten)]
    argument: StoreArgument,

    /// Print the size of the graph as JSON
    #[arg(long)]
    json: bool,
}

impl Graph {
    pub fn run(&self) -> Result<(), CliError> {
        let Some(directory) = self.argument.store.folder() else {
            return Err(CliError::LocalOnly { option: "a graph", store: self.argument.store.to_string() });
        };
        let mut store = LocalStore::open(directory)?;
        build(&mut store)?;
        let Some(graph) = store.graph()? else { return Ok(()) };
        match self.json {
            true => output::json(&json!({"entries": graph.entries, "bytes": graph.bytes})),
            false => output::line(summary(&graph)),
        }
    }
}

/// Builds or updates the graph, with a progress bar on a terminal.
pub fn build(store: &mut LocalStore) -> Result<(), CliError> {
    let style = ProgressStyle::with_template("graph {bar:30} {human_pos} of {human_len} entries, {eta} left");
    let bar = ProgressBar::new(0).with_style(style.expect("the template is valid"));
    store.build_graph(|done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// A one-line description of a graph.
pub fn summary(graph: &GraphInfo) -> String {
    let GraphInfo { entries, gone, new, bytes } = graph;
    let more = |count: &usize, what| if *count > 0 { format!(", {count} {what}") } else { String::new() };
    format!("{entries} entries{}{}, {}", more(gone, "deleted since"), more(new, "added since"), HumanBytes(*bytes))
}
