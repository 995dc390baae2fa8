use clap::Args;
#[cfg(feature = "graph")]
use elman::index::LocalStore;
use serde::Serialize;

use crate::{command::store::StoreFolder, error::CliError, output, store::StoreModel};

/// Tell how many entries a store has, what made their vectors, and which metadata they have.
#[derive(Args, Debug)]
pub struct Info {
    #[command(flatten)]
    folder: StoreFolder,

    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    entries: usize,
    d_embedding: usize,
    metric: &'static str,
    model: String,
    /// The first of them, by name.
    fields: Vec<String>,
    /// Of a store in a folder, if it has one.
    #[cfg(feature = "graph")]
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<String>,
}

impl Info {
    pub fn run(&self) -> Result<(), CliError> {
        let store = self.folder.store.open_read_only()?;
        let report = Report {
            entries: store.count()?,
            d_embedding: store.dim(),
            metric: store.metric().name(),
            model: StoreModel::of(&*store, &self.folder.store)?.name(),
            fields: store.fields()?,
            #[cfg(feature = "graph")]
            graph: store.local().map(LocalStore::graph).transpose()?.flatten().as_ref().map(super::graph::told),
        };
        if self.json {
            return output::json(&report);
        }
        let Report { entries, d_embedding, metric, model, fields, .. } = &report;
        output::line(format!("entries    {entries}\nvectors    {d_embedding} numbers, {metric}\nmodel      {model}"))?;
        if !fields.is_empty() {
            output::line(format!("metadata   {}", fields.join(", ")))?;
        }
        #[cfg(feature = "graph")]
        if let Some(graph) = &report.graph {
            output::line(format!("graph      {graph}"))?;
        }
        Ok(())
    }
}
