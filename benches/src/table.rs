use crate::{
    library::Library,
    row::{Contest, Row},
    variant::Variant,
};

/// The columns of the table that apply to this run.
pub(crate) struct Table(Vec<Column>);

#[derive(Clone, Copy)]
enum Column {
    Elman,
    Peer(Library),
    Ratio(Library),
    /// The ratio to the fastest peer.
    Best,
    GflopPerSecond,
    Peak,
    GbPerSecond,
    Copy,
    Plain,
}

impl Table {
    /// `peers` are those in addition to burn-nn; `variants` adds the comparison with the plain variant.
    pub fn new(peers: &[Library], variants: bool) -> Self {
        let mut columns = vec![Column::Elman];
        for library in [Library::BurnNn].iter().chain(peers) {
            columns.extend([Column::Peer(*library), Column::Ratio(*library)]);
        }
        columns.extend((!peers.is_empty()).then_some(Column::Best));
        columns.extend([Column::GflopPerSecond, Column::Peak, Column::GbPerSecond, Column::Copy]);
        columns.extend(variants.then_some(Column::Plain));
        Self(columns)
    }

    /// The header line.
    pub fn names(&self) -> String {
        let sizes = format!("{:<8} {:>4} {:>4} {:>4} {:>4}", "cell", "B", "T", "I", "H");
        line(&sizes, "pass", self.0.iter().map(|column| (*column, column.name().to_owned())))
    }

    /// Explains the column names.
    pub fn legend(&self) -> String {
        let explanations = self.0.iter().filter_map(|column| match column {
            Column::Peer(Library::OnnxRuntime) => Some("ort: ONNX Runtime"),
            Column::Best => Some("best: ratio of the fastest peer"),
            Column::Peak => Some("peak: share of the large product's GFLOP/s"),
            Column::Copy => Some("copy: share of the large copy's GB/s"),
            Column::Plain => Some("/plain: elman's time / the plain layer's"),
            _ => None,
        });
        let mut legend = "medians in milliseconds; ratio: the peer's time / elman's".to_owned();
        let mut width = legend.len();
        for text in explanations {
            let fits = width + text.len() < 100;
            legend += if fits { "; " } else { ";\n" };
            legend += text;
            width = if fits { width + 2 + text.len() } else { text.len() };
        }
        legend
    }

    /// One line per pass.
    pub fn row(&self, row: &Row) -> String {
        let Row { cell, case, variant, forward, training, .. } = row;
        let problem = if *variant == Variant::PLAIN.name {
            format!("{cell:<8} {:>4} {:>4} {:>4} {:>4}", case.batch, case.time, case.d_input, case.d_hidden)
        } else {
            format!("{cell:<8} {variant:>19}") // the sizes are in the plain row above
        };
        let pass = |name, contest: &Contest| line(&problem, name, self.0.iter().map(|c| (*c, c.value(contest))));
        let training = training.as_ref().map(|training| format!("\n{}", pass("training", training)));
        pass("forward", forward) + training.as_deref().unwrap_or_default()
    }
}

fn line(problem: &str, pass: &str, columns: impl Iterator<Item = (Column, String)>) -> String {
    columns.fold(format!("{problem} {pass:<8}"), |line, (column, text)| format!("{line} {text:>0$}", column.width()))
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Elman => "elman",
            Self::Peer(library) => library.column(),
            Self::Ratio(_) => "ratio",
            Self::Best => "best",
            Self::GflopPerSecond => "GFLOP/s",
            Self::Peak => "peak",
            Self::GbPerSecond => "GB/s",
            Self::Copy => "copy",
            Self::Plain => "/plain",
        }
    }

    fn width(self) -> usize {
        match self {
            Self::Peer(Library::BurnNn) | Self::GflopPerSecond => 7,
            Self::Elman | Self::Peer(Library::Torch) | Self::Plain => 6,
            Self::Peer(Library::OnnxRuntime) => 5, // only forward, so its times are short
            Self::Ratio(_) | Self::Best | Self::GbPerSecond => 5,
            Self::Peak | Self::Copy => 4,
        }
    }

    fn value(self, contest: &Contest) -> String {
        let value = match self {
            Self::Elman => Some(ms(contest.elman.ms)),
            Self::Peer(library) => contest.peers.get(&library).map(|peer| ms(peer.timing.ms)),
            Self::Ratio(library) => contest.peers.get(&library).map(|peer| ratio(peer.ratio)),
            Self::Best => contest.best.map(|best| ratio(best.ratio)),
            Self::GflopPerSecond => {
                (contest.gflop_per_second > 0.0).then(|| format!("{:.1}", contest.gflop_per_second))
            }
            Self::Peak => (contest.gflop_per_second > 0.0).then(|| format!("{:.0}%", contest.peak_share * 100.0)),
            Self::GbPerSecond => Some(rate(contest.gb_per_second)),
            Self::Copy => Some(format!("{:.0}%", contest.copy_share * 100.0)),
            Self::Plain => Some(ratio(contest.plain_ratio)),
        };
        value.unwrap_or_else(|| "-".into())
    }
}

/// Two decimals, or none from 100.
fn ratio(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// Three significant digits, but at most two decimals.
fn rate(value: f64) -> String {
    if value < 1.0 { format!("{value:.2}") } else { ms(value) }
}

/// Three significant digits, or all digits of the integer part.
fn ms(value: f64) -> String {
    match value {
        100.0.. => format!("{value:.0}"),
        10.0.. => format!("{value:.1}"),
        1.0.. => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use elman::recurrence::CellKind;

    use super::*;
    use crate::{
        peer_device::PeerDevice,
        row::{Best, Versus},
        timing::Timing,
    };

    /// Training takes a hundred times as long as forward, and ONNX Runtime does not train.
    pub fn row(variant: &'static str) -> Row {
        let timing = |ms| Timing { ms, low: ms, high: ms, runs: 3 };
        let contest = |scale: f64, peers: &[(Library, f64)]| Contest {
            elman: timing(12.34 * scale),
            gflop_per_second: 43.21,
            peak_share: 0.567,
            gb_per_second: 9.876,
            copy_share: 0.79,
            plain_ratio: 1.9,
            peers: peers
                .iter()
                .map(|(l, ratio)| (*l, Versus { timing: timing(ratio * 12.34), ratio: *ratio }))
                .collect(),
            best: Some(Best { peer: Library::Torch, ratio: 0.5 }),
        };
        Row {
            device: "flex".into(),
            cell: CellKind::Lstm,
            case: "32,64,256,512".parse().unwrap(),
            variant,
            peak_gflop_per_second: 76.2,
            copy_gb_per_second: 12.5,
            torch_on: Some(PeerDevice {
                device: "cuda:0".into(),
                card: Some("A Card".into()),
                kernels: None,
                tf32: None,
            }),
            forward: contest(1.0, &[(Library::BurnNn, 2.0), (Library::Torch, 0.5), (Library::OnnxRuntime, 0.7)]),
            training: Some(contest(100.0, &[(Library::BurnNn, 2.0), (Library::Torch, 0.5)])),
        }
    }

    #[test]
    fn columns_are_aligned_and_narrow() {
        for peers in [&[][..], &[Library::Torch], &[Library::Torch, Library::OnnxRuntime]] {
            for variant in ["plain", "bidirectional"] {
                let table = Table::new(peers, variant != "plain");
                let (names, rows) = (table.names(), table.row(&row(variant)));
                let (forward, training) = rows.split_once('\n').unwrap();
                assert_eq!([forward.len(), training.len()], [names.len(); 2], "\n{names}\n{rows}");
                assert!(names.len() <= 120 && table.legend().lines().all(|line| line.len() <= 120));
                // each name ends where a value ends
                for (name, value) in
                    [("elman", "12.3"), ("burn-nn", "24.7"), ("torch", "6.17"), ("ort", "8.64"), ("/plain", "1.90")]
                {
                    let end = |text: &str, part: &str| text.find(part).map(|at| at + part.len());
                    assert_eq!(end(&names, name), end(forward, value), "{name}\n{names}\n{rows}");
                }
                assert!(names.contains("best") != peers.is_empty() && forward.contains("  43.2  57%  9.88  79%"));
                assert_eq!(training.contains("     -     - "), peers.len() == 2);
            }
        }
    }

    #[test]
    fn variant_replaces_the_sizes() {
        let table = Table::new(&[], true);
        assert!(table.row(&row("plain")).starts_with("lstm       32   64  256  512 forward  "));
        assert!(table.row(&row("ragged")).starts_with("lstm                  ragged forward  "));
    }

    #[test]
    fn values_fit_their_columns() {
        assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.0].map(ms), ["0.123", "1.23", "12.3", "123", "1234"]);
        assert_eq!([0.1234, 1.234, 12.34, 123.4, 1234.0].map(ratio), ["0.12", "1.23", "12.34", "123", "1234"]);
    }
}
