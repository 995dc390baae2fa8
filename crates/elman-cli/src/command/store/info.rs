use clap::Args;
#[cfg(feature = "graph")]
use elman::index::LocalStore;
use serde::Serialize;

use crate::{command::store::StoreArgument, error::CliError, output, store::StoreModel};

/// Show the number of entries of a store, their model and their metadata fields.
#[derive(Args, Debug)]
pub struct Info {
    #[command(flatten)]
    argument: StoreArgument,

    /// Print the statistics as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    entries: usize,
    d_embedding: usize,
    metric: &'static str,
    model: String,
    /// The first metadata fields, by name.
    fields: Vec<String>,
    /// The HNSW graph of a local store, if it has one.
    #[cfg(feature = "graph")]
    #[serde(skip_serializing_if = "Option::is_none")]
    graph: Option<String>,
}

impl Info {
    pub fn run(&self) -> Result<(), CliError> {
        let store = self.argument.store.open_read_only()?;
        let report = Report {
            entries: store.count()?,
            d_embedding: store.dim(),
            metric: store.metric().name(),
            model: StoreModel::from_store(&*store, &self.argument.store)?.name(),
            fields: store.fields()?,
            #[cfg(feature = "graph")]
            graph: store.local().map(LocalStore::graph).transpose()?.flatten().as_ref().map(super::graph::summary),
        };
        if self.json {
            return output::json(&report);
        }
        let Report { entries, d_embedding, metric, model, fields, .. } = &report;
        output::line(format!(
            "entries    {entries}\nvectors    {d_embedding} dimensions, {metric}\nmodel      {model}"
        ))?;
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
