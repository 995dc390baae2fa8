use clap::Args;
use elman::index::{LocalStore, VectorStore};
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
}

impl Info {
    pub fn run(&self) -> Result<(), CliError> {
        let store = LocalStore::open_read_only(&self.folder.store)?;
        let report = Report {
            entries: store.count()?,
            d_embedding: store.d_embed(),
            metric: store.metric().name(),
            model: StoreModel::of(&store, &self.folder.store)?.name(),
            fields: store.fields()?,
        };
        if self.json {
            return output::json(&report);
        }
        let Report { entries, d_embedding, metric, model, fields } = report;
        output::line(format!("entries    {entries}\nvectors    {d_embedding} numbers, {metric}\nmodel      {model}"))?;
        match fields.is_empty() {
            true => Ok(()),
            false => output::line(format!("metadata   {}", fields.join(", "))),
        }
    }
}
