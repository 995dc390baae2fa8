use clap::Args;
use elman::index::Filter;
use serde_json::json;

use crate::{command::store::StoreArgument, error::CliError, output};

/// Delete entries of a store, by id or by a filter on their metadata.
#[derive(Args, Debug)]
pub struct Delete {
    #[command(flatten)]
    argument: StoreArgument,

    /// Delete entries whose metadata match a filter, such as "file = 'old.txt' and line > 100"
    #[arg(long, value_name = "FILTER", required_unless_present = "ids")]
    filter: Option<Filter>,

    /// Delete the entry with this id; may be repeated
    #[arg(long = "id", value_name = "ID", conflicts_with = "filter")]
    ids: Vec<String>,

    /// Print the counts as JSON
    #[arg(long)]
    json: bool,
}

impl Delete {
    pub fn run(&self) -> Result<(), CliError> {
        let mut store = self.argument.store.open()?;
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
        output::line(format!("{} deleted; {} has {entries} entries", before - entries, self.argument.store))
    }
}
