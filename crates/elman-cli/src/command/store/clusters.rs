use std::path::{Path, PathBuf};

use clap::Args;
use elman::text::printable::in_one_line;
use serde::Serialize;

use crate::{
    command::store::{
        StoreArgument,
        grouping::{Grouped, Grouping},
    },
    error::CliError,
    output,
};

/// Entries nearest to the center that are shown for each cluster.
const MAX_SHOWN: usize = 3;

/// Cluster the entries of a store.
///
/// Prints the size and the keywords of each cluster, and the entries nearest to its center with their cosines. Clusters
/// are computed by spherical k-means: the centers are fitted to at most 50,000 entries, or 256 per cluster if that is
/// more, and all other entries are assigned to the nearest center. All vectors and texts are held in memory.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman store clusters notes-index
  elman store clusters notes-index -k 12 --filter \"file = 'notes.txt'\" --out clusters.csv

Keywords are frequent in the cluster and rare elsewhere (class-based TF-IDF, as in BERTopic).")]
pub struct Clusters {
    #[command(flatten)]
    argument: StoreArgument,

    #[command(flatten)]
    grouping: Grouping,

    /// Write the cluster of each entry to a CSV file with the columns id and cluster. Ids are not escaped: import the
    /// columns as text, since spreadsheets evaluate values that start with =, +, - or @
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,

    /// Print the clusters as JSON, with the ids of all members
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    /// The number of the cluster, from 1, the largest first.
    cluster: usize,
    entries: usize,
    words: &'a [String],
    /// The entries nearest to the center.
    nearest: Vec<Near<'a>>,
    /// The ids of all entries, nearest first.
    members: Vec<&'a str>,
}

#[derive(Serialize)]
struct Near<'a> {
    id: &'a str,
    text: &'a str,
    /// The cosine with the center.
    score: f32,
}

impl Clusters {
    pub fn run(&self) -> Result<(), CliError> {
        if let Some(out) = &self.out {
            output::check(out)?;
        }
        let grouped = self.grouping.read(&self.argument.store)?;
        if let Some(out) = &self.out {
            write_table(out, &grouped)?;
        }
        let reports = grouped.clusters.iter().zip(&grouped.words).zip(1..).map(|((cluster, words), number)| {
            let near = |&(position, score): &(usize, f32)| {
                let (id, text) = &grouped.entries[position];
                Near { id, text, score }
            };
            Report {
                cluster: number,
                entries: cluster.members.len(),
                words,
                nearest: cluster.members.iter().take(MAX_SHOWN).map(near).collect(),
                members: cluster.members.iter().map(|&(position, _)| grouped.entries[position].0.as_str()).collect(),
            }
        });
        if self.json {
            return output::json(&reports.collect::<Vec<_>>());
        }
        for Report { cluster, entries, words, nearest, .. } in reports {
            let words = in_one_line(&words.join(", "));
            output::line(format!("{cluster}: {entries} {}: {words}", if entries == 1 { "entry" } else { "entries" }))?;
            for Near { id, text, score } in nearest {
                output::line(format!("  {score:.3}  {}  {}", in_one_line(id), in_one_line(text.trim())))?;
            }
            output::line("")?;
        }
        self.grouping.report(&grouped);
        Ok(())
    }
}

/// Writes the id and the cluster of each entry, in the order of the store.
fn write_table(path: &Path, grouped: &Grouped) -> Result<(), CliError> {
    let mut numbers = vec![0; grouped.entries.len()];
    for (number, cluster) in (1..).zip(&grouped.clusters) {
        cluster.members.iter().for_each(|&(position, _)| numbers[position] = number);
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = table.write_record(["id", "cluster"]);
    let rows = grouped.entries.iter().zip(numbers).map(|((id, _), number): (_, usize)| (id, number));
    let written = header.and_then(|()| rows.into_iter().try_for_each(|row| table.serialize(row)));
    written.expect("writing to memory does not fail");
    output::replace(path, table.into_inner().expect("writing to memory does not fail"))
}
