use std::path::{Path, PathBuf};

use clap::Args;
use elman::text::printable::in_one_line;
use serde::Serialize;

use crate::{
    command::store::{
        StoreFolder,
        grouping::{Grouped, Grouping},
    },
    error::CliError,
    output,
};

/// Entries nearest to its centre that are shown of each cluster.
const SHOWN: usize = 3;

/// Group the entries that say related things.
///
/// For each cluster: how many entries it has, the words that tell it from the others, and the entries nearest to its centre
/// with their cosine to it. Clusters are found by k-means on the vectors' directions; the centres are fitted to at most
/// 50,000 entries, or 256 for each cluster, and all others join the nearest. All vectors and texts are held in memory.
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  elman store clusters notes-index
  elman store clusters notes-index -k 12 --filter \"file = 'notes.txt'\" --out clusters.csv

Words are weighed as BERTopic does: often in the cluster, and seldom elsewhere.")]
pub struct Clusters {
    #[command(flatten)]
    folder: StoreFolder,

    #[command(flatten)]
    grouping: Grouping,

    /// Write the cluster of each entry to a file of two columns, id and cluster. Ids are written as they are: import the
    /// file as text, since spreadsheets run what begins with =, +, - or @
    #[arg(short, long, value_name = "FILE.csv")]
    out: Option<PathBuf>,

    /// Print the clusters as JSON, with all their entries' ids
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    /// Counted from 1, the greatest first.
    cluster: usize,
    entries: usize,
    words: &'a [String],
    /// Those nearest to the centre.
    nearest: Vec<Near<'a>>,
    /// All, nearest first.
    members: Vec<&'a str>,
}

#[derive(Serialize)]
struct Near<'a> {
    id: &'a str,
    text: &'a str,
    /// The cosine with the centre.
    score: f32,
}

impl Clusters {
    pub fn run(&self) -> Result<(), CliError> {
        if let Some(out) = &self.out {
            output::check(out)?;
        }
        let grouped = self.grouping.read(&self.folder.store)?;
        if let Some(out) = &self.out {
            write_table(out, &grouped)?;
        }
        let reports = grouped.clusters.iter().zip(&grouped.words).zip(1..).map(|((cluster, words), number)| {
            let near = |&(position, score): &(usize, f32)| {
                let (id, text) = &grouped.named[position];
                Near { id, text, score }
            };
            Report {
                cluster: number,
                entries: cluster.members.len(),
                words,
                nearest: cluster.members.iter().take(SHOWN).map(near).collect(),
                members: cluster.members.iter().map(|&(position, _)| grouped.named[position].0.as_str()).collect(),
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
        self.grouping.tell(&grouped);
        Ok(())
    }
}

/// Every entry's id and the number of its cluster, in the order of the store.
fn write_table(path: &Path, grouped: &Grouped) -> Result<(), CliError> {
    let mut numbers = vec![0; grouped.named.len()];
    for (number, cluster) in (1..).zip(&grouped.clusters) {
        cluster.members.iter().for_each(|&(position, _)| numbers[position] = number);
    }
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = table.write_record(["id", "cluster"]);
    let rows = grouped.named.iter().zip(numbers).map(|((id, _), number): (_, usize)| (id, number));
    let written = header.and_then(|()| rows.into_iter().try_for_each(|row| table.serialize(row)));
    written.expect("rows of two columns go into memory");
    output::replace(path, table.into_inner().expect("rows go into memory"))
}
