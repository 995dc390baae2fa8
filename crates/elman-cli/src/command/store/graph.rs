use clap::Args;
use elman::index::{GraphInfo, LocalStore};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::json;

use crate::{command::store::StoreFolder, error::CliError, output};

/// Make the graph of neighbours that makes searches among many entries fast, or add to it what is new.
///
/// 'elman index' does this by itself where there are 50,000 entries or more. It takes minutes among millions,
/// and the store can be read and written meanwhile.
#[derive(Args, Debug)]
pub struct Graph {
    #[command(flatten)]
    folder: StoreFolder,

    /// Print how far it goes as JSON
    #[arg(long)]
    json: bool,
}

impl Graph {
    pub fn run(&self) -> Result<(), CliError> {
        let Some(folder) = self.folder.store.folder() else {
            return Err(CliError::FolderOnly { option: "a graph", store: self.folder.store.to_string() });
        };
        let mut store = LocalStore::open(folder)?;
        build(&mut store)?;
        let Some(graph) = store.graph()? else { return Ok(()) };
        match self.json {
            true => output::json(&json!({"entries": graph.entries, "bytes": graph.bytes})),
            false => output::line(told(&graph)),
        }
    }
}

/// Makes or adds to the graph, with a bar on a terminal.
pub fn build(store: &mut LocalStore) -> Result<(), CliError> {
    let style = ProgressStyle::with_template("graph {bar:30} {human_pos} of {human_len} entries, {eta} left");
    let bar = ProgressBar::new(0).with_style(style.expect("the template is valid"));
    store.build_graph(|done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// How far a graph goes, in words.
pub fn told(graph: &GraphInfo) -> String {
    let GraphInfo { entries, gone, new, bytes } = graph;
    let more = |count: &usize, what| if *count > 0 { format!(", {count} {what}") } else { String::new() };
    format!("{entries} entries{}{}, {}", more(gone, "gone since"), more(new, "new since"), HumanBytes(*bytes))
}
