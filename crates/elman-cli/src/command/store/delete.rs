use clap::Args;
use elman::index::Filter;
use serde_json::json;

use crate::{command::store::StoreFolder, error::CliError, output};

/// Take entries out of a store: those with some ids, or those whose metadata meet a condition.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    folder: StoreFolder,

    /// Which: a condition, such as "file = 'old.txt' and line > 100"
    #[arg(long, value_name = "CONDITION", required_unless_present = "ids")]
    filter: Option<Filter>,

    /// Which, by id; may be given more than once
    #[arg(long = "id", value_name = "ID", conflicts_with = "filter")]
    ids: Vec<String>,

    /// Print how many there were as JSON
    #[arg(long)]
    json: bool,
}

impl Delete {
    pub fn run(&self) -> Result<(), CliError> {
        let mut store = self.folder.store.open()?;
        let before = store.count()?;
        let ids = match &self.filter {
            Some(filter) => store.ids(Some(filter))?,
            None => self.ids.clone(),
        };
        store.delete(&ids.iter().map(String::as_str).collect::<Vec<_>>())?;
        let entries = store.count()?;
        if self.json {
            return output::json(&json!({"deleted": before - entries, "entries": entries}));
        }
        output::line(format!("{} deleted; {} has {entries} entries", before - entries, self.folder.store))
    }
}
