use clap::Args;
use elman::{
    index::{Filter, cosine, near_duplicates},
    text::printable::in_one_line,
};
use serde::Serialize;

use crate::{command::store::StoreArgument, error::CliError, output};

/// Find near-duplicate entries.
///
/// Prints the groups of entries that are connected by pairs with a cosine of at least the threshold. Compares all
/// pairs, so the time is quadratic: about a second for 10,000 entries, and a hundred times as long for 100,000.
#[derive(Args, Debug)]
pub struct Duplicates {
    #[command(flatten)]
    argument: StoreArgument,

    /// Minimum cosine of near duplicates
    #[arg(long, value_name = "X", default_value_t = 0.95)]
    threshold: f32,

    /// Only use entries whose metadata match a filter
    #[arg(long, value_name = "FILTER")]
    filter: Option<Filter>,

    /// Print the groups as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Member {
    id: String,
    text: String,
    /// The cosine with the first member of the group.
    score: f32,
}

impl Duplicates {
    pub fn run(&self) -> Result<(), CliError> {
        let store = self.argument.store.open_read_only()?;
        let (mut vectors, mut entries) = (Vec::new(), Vec::new());
        store.visit(self.filter.as_ref(), &mut |entry| {
            vectors.extend(entry.vector);
            entries.push((entry.id, entry.text));
        })?;
        let dim = store.dim();
        let vector = |position: usize| &vectors[position * dim..(position + 1) * dim];
        let groups: Vec<Vec<Member>> = near_duplicates(&vectors, dim, self.threshold)?
            .into_iter()
            .map(|group| {
                let member = |&position: &usize| {
                    let (id, text) = entries[position].clone();
                    Member { id, text, score: cosine(vector(group[0]), vector(position)) }
                };
                group.iter().map(member).collect()
            })
            .collect();
        if self.json {
            return output::json(&groups);
        }
        for group in &groups {
            for Member { id, text, score } in group {
                output::line(format!("{score:.3}  {}  {}", in_one_line(id), in_one_line(text.trim())))?;
            }
            output::line("")?;
        }
        let members: usize = groups.iter().map(Vec::len).sum();
        output::notice(format_args!("{members} of {} entries in {} groups", entries.len(), groups.len()));
        Ok(())
    }
}
