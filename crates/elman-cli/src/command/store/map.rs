use std::path::PathBuf;

use clap::{Args, value_parser};
use elman_report::{Dot, TextMap};
use indicatif::HumanCount;
use rand::{SeedableRng, rngs::ChaCha12Rng, seq::index};
use serde::Serialize;

use crate::{
    command::store::{
        StoreArgument,
        grouping::{Grouped, Grouping},
    },
    error::CliError,
    highlight, output, tsne,
};

/// Maximum length of a text on the page, in characters.
const MAX_CHARS: usize = 1000;
/// Keywords of a cluster in the legend.
const LEGEND_WORDS: usize = 4;

/// Draw a map of the entries, with related entries near each other.
///
/// Writes a self-contained, interactive HTML page: colors are clusters, a point shows its text, and texts can be
/// searched. The coordinates come from t-SNE, which preserves neighbors; large distances and the sizes of groups carry
/// little meaning.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman store map notes-index -o map.html

The clusters are those of 'elman store clusters' with the same -k, --filter and --seed. If there
are more entries than --max, a random sample is drawn. Texts are truncated to 1000 characters.")]
pub struct Map {
    #[command(flatten)]
    argument: StoreArgument,

    /// Output file; an existing one is overwritten
    #[arg(short, long, value_name = "FILE.html")]
    out: PathBuf,

    #[command(flatten)]
    grouping: Grouping,

    /// Maximum number of entries to draw
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = value_parser!(u32).range(1..=50_000))]
    max: u32,

    /// Print a summary as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report<'a> {
    map: &'a PathBuf,
    entries: usize,
    drawn: usize,
    clusters: Vec<Drawn<'a>>,
}

#[derive(Serialize)]
struct Drawn<'a> {
    entries: usize,
    words: &'a [String],
}

impl Map {
    pub fn run(&self) -> Result<(), CliError> {
        output::check(&self.out)?;
        let grouped = self.grouping.read(&self.argument.store)?;
        if !self.json {
            self.grouping.report(&grouped);
        }
        let drawn = self.sample(grouped.entries.len());
        if !self.json && drawn.len() < grouped.entries.len() {
            output::notice(format_args!("drawing a random sample of {} entries; use --max to draw more", drawn.len()));
        }
        let dim = grouped.dim;
        let vectors: Vec<f32> = drawn.iter().flat_map(|n| &grouped.vectors[n * dim..][..dim]).copied().collect();
        let projected = tsne::project(&vectors, dim, self.grouping.seed)?;
        let mut points = vec![None; grouped.entries.len()];
        drawn.iter().zip(&projected).for_each(|(&position, &point)| points[position] = Some(point));
        output::replace(&self.out, self.page(&grouped, &points).to_html())?;
        if self.json {
            let clusters = grouped.clusters.iter().zip(&grouped.words);
            return output::json(&Report {
                map: &self.out,
                entries: grouped.entries.len(),
                drawn: drawn.len(),
                clusters: clusters.map(|(cluster, words)| Drawn { entries: cluster.members.len(), words }).collect(),
            });
        }
        output::line(format!("Open {} in a browser", self.out.display()))
    }

    /// The positions of the entries to draw, in order: all, or a random sample.
    fn sample(&self, entries: usize) -> Vec<usize> {
        let max = self.max as usize;
        if entries <= max {
            return (0..entries).collect();
        }
        let mut rng = ChaCha12Rng::seed_from_u64(self.grouping.seed);
        let mut sample = index::sample(&mut rng, entries, max).into_vec();
        sample.sort_unstable();
        sample
    }

    /// The page; entries without a point are not drawn.
    fn page(&self, grouped: &Grouped, points: &[Option<[f32; 2]>]) -> TextMap {
        let store = &self.argument.store;
        let directory = store.folder().and_then(|directory| std::path::absolute(directory).ok());
        let name = directory.as_ref().and_then(|directory| Some(directory.file_name()?.to_string_lossy()));
        let name = name.unwrap_or_else(|| store.to_string().into());
        let (entries, drawn) = (grouped.entries.len(), points.iter().flatten().count());
        let sample = match drawn < entries {
            true => format!(", a random sample of {} shown", HumanCount(drawn as u64)),
            false => String::new(),
        };
        let lead = format!("{} entries in {} clusters{sample}", HumanCount(entries as u64), grouped.clusters.len());
        let map = TextMap::new(format!("Map of {name}")).with_lead(lead);
        grouped.clusters.iter().zip(&grouped.words).fold(map, |map, (cluster, words)| {
            let dots = cluster.members.iter().filter_map(|&(position, _)| {
                let [x, y] = points[position]?;
                let (id, text) = &grouped.entries[position];
                Some(Dot { x: x.into(), y: y.into(), id: id.clone(), text: highlight::truncated(text, MAX_CHARS) })
            });
            map.with_group(words[..words.len().min(LEGEND_WORDS)].join(", "), dots)
        })
    }
}
