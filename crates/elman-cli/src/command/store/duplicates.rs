use clap::Args;
use elman::{
    index::{Filter, cosine, near_duplicates},
    text::printable::in_one_line,
};
use serde::Serialize;

use crate::{command::store::StoreFolder, error::CliError, output};

/// Find entries that say nearly the same.
///
/// Entries are in one group if their vectors' cosine reaches the threshold, or if others are between them, each of which is
/// so near to the next. Every entry is compared with every other: a second for some ten thousand, and a hundred times as
/// long for ten times as many.
#[derive(Args, Debug)]
pub struct Duplicates {
    #[command(flatten)]
    folder: StoreFolder,

    /// How near they are at least: a cosine
    #[arg(long, value_name = "X", default_value_t = 0.95)]
    threshold: f32,

    /// Only entries whose metadata meet a condition
    #[arg(long, value_name = "CONDITION")]
    filter: Option<Filter>,

    /// Print the groups as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Member {
    id: String,
    text: String,
    /// The cosine with the first of its group.
    score: f32,
}

impl Duplicates {
    pub fn run(&self) -> Result<(), CliError> {
        let store = self.folder.store.open_read_only()?;
        let (mut vectors, mut named) = (Vec::new(), Vec::new());
        store.visit(self.filter.as_ref(), &mut |entry| {
            vectors.extend(entry.vector);
            named.push((entry.id, entry.text));
        })?;
        let width = store.dim();
        let vector = |position: usize| &vectors[position * width..(position + 1) * width];
        let groups: Vec<Vec<Member>> = near_duplicates(&vectors, width, self.threshold)?
            .into_iter()
            .map(|group| {
                let member = |&position: &usize| {
                    let (id, text) = named[position].clone();
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
        output::notice(format_args!("{members} of {} entries are in {} groups", named.len(), groups.len()));
        Ok(())
    }
}
