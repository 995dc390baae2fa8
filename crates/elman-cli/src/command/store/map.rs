use std::path::PathBuf;

use clap::{Args, value_parser};
use elman_report::{Dot, TextMap};
use indicatif::HumanCount;
use rand::{SeedableRng, rngs::ChaCha12Rng, seq::index};
use serde::Serialize;

use crate::{
    command::store::{
        StoreFolder,
        grouping::{Grouped, Grouping},
    },
    error::CliError,
    output, passage, plane,
};

/// Characters of a text that the page has.
const TEXT: usize = 1000;
/// Words of a cluster that the legend has.
const NAMED: usize = 4;

/// Draw the entries as points on a page, those that say related things near to each other.
///
/// The page is one HTML file that needs nothing else: colours are clusters, a point shows its text, and texts can be searched.
/// Places come from t-SNE, which keeps neighbours together; what is far apart, or how large a group looks, means little.
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  elman store map notes-index -o map.html

Clusters are those of 'elman store clusters' with the same -k, --filter and --seed. Where there are more entries than --max,
so many are drawn at random. Of each text the page has the first 1000 characters.")]
pub struct Map {
    #[command(flatten)]
    folder: StoreFolder,

    /// The page to write; one that is there is replaced
    #[arg(short, long, value_name = "FILE.html")]
    out: PathBuf,

    #[command(flatten)]
    grouping: Grouping,

    /// Entries to draw at most
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = value_parser!(u32).range(1..=50_000))]
    max: u32,

    /// Print what was drawn as JSON
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
        let grouped = self.grouping.read(&self.folder.store)?;
        if !self.json {
            self.grouping.tell(&grouped);
        }
        let drawn = self.draw_some(grouped.named.len());
        if !self.json && drawn.len() < grouped.named.len() {
            output::notice(format_args!("{} of them are drawn, at random; more with --max", drawn.len()));
        }
        let d_embed = grouped.d_embed;
        let vectors: Vec<f32> =
            drawn.iter().flat_map(|n| &grouped.vectors[n * d_embed..][..d_embed]).copied().collect();
        let places = plane::map(&vectors, d_embed, self.grouping.seed)?;
        let mut place = vec![None; grouped.named.len()];
        drawn.iter().zip(&places).for_each(|(&position, &at)| place[position] = Some(at));
        output::replace(&self.out, self.page(&grouped, &place).to_html())?;
        if self.json {
            let clusters = grouped.clusters.iter().zip(&grouped.words);
            return output::json(&Report {
                map: &self.out,
                entries: grouped.named.len(),
                drawn: drawn.len(),
                clusters: clusters.map(|(cluster, words)| Drawn { entries: cluster.members.len(), words }).collect(),
            });
        }
        output::line(format!("Open {} in a browser", self.out.display()))
    }

    /// The positions of those that are drawn, in order.
    fn draw_some(&self, entries: usize) -> Vec<usize> {
        let max = self.max as usize;
        if entries <= max {
            return (0..entries).collect();
        }
        let mut rng = ChaCha12Rng::seed_from_u64(self.grouping.seed);
        let mut some = index::sample(&mut rng, entries, max).into_vec();
        some.sort_unstable();
        some
    }

    fn page(&self, grouped: &Grouped, place: &[Option<[f32; 2]>]) -> TextMap {
        let store = &self.folder.store;
        let folder = store.folder().and_then(|folder| std::path::absolute(folder).ok());
        let name = folder.as_ref().and_then(|folder| Some(folder.file_name()?.to_string_lossy()));
        let name = name.unwrap_or_else(|| store.to_string().into());
        let (entries, drawn) = (grouped.named.len(), place.iter().flatten().count());
        let some = match drawn < entries {
            true => format!(", {} of them drawn at random", HumanCount(drawn as u64)),
            false => String::new(),
        };
        let lead = format!("{} entries in {} clusters{some}", HumanCount(entries as u64), grouped.clusters.len());
        let map = TextMap::new(format!("Map of {name}")).with_lead(lead);
        grouped.clusters.iter().zip(&grouped.words).fold(map, |map, (cluster, words)| {
            let dots = cluster.members.iter().filter_map(|&(position, _)| {
                let [x, y] = place[position]?;
                let (id, text) = &grouped.named[position];
                Some(Dot { x: x.into(), y: y.into(), id: id.clone(), text: passage::start(text, TEXT) })
            });
            map.with_group(words[..words.len().min(NAMED)].join(", "), dots)
        })
    }
}
