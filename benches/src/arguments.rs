use std::path::{Path, PathBuf};

use clap::Parser;
use elman::{DeviceInfo, recurrence::CellKind};

use crate::{
    case::{Case, QUICK, STANDARD},
    error::BenchError,
    grid::Grid,
    peer::Peers,
    variant::Variant,
};

/// Times every recurrent layer, forward and training, beside burn-nn's, PyTorch's and ONNX Runtime's.
///
/// All figures are medians in milliseconds. A ratio is the peer's time divided by elman's: above 1, elman is faster.
#[derive(Debug, Parser)]
#[command(name = "recurrence", bin_name = "cargo bench -p elman-bench --", max_term_width = 100)]
pub struct Arguments {
    /// Cells, separated by commas: simple, rnn, gru, lstm, min-gru, min-lstm [default: all]
    #[arg(long, value_name = "CELL,…", value_delimiter = ',')]
    cells: Vec<String>,

    /// Sizes as "batch,time,d_input,d_hidden;…" [default: 1,64,256,256; 1,64,1024,1024; 32,64,256,256;
    /// 32,64,512,512; 64,256,512,512]
    #[arg(long, value_name = "B,T,I,H;…")]
    cases: Option<String>,

    /// Every combination of batch sizes, time steps and widths, with as many inputs as hidden units, after those of
    /// --cases or alone, as "B=1,32,256;T=1,64,1024;H=32,512,2048", the largest of which take minutes a repeat
    #[arg(long, value_name = "B=…;T=…;H=…")]
    grid: Option<String>,

    /// Variants to compare with the plain layers, separated by commas: ragged (lengths uniform from 1 to the time
    /// steps), bidirectional (as many hidden units in each direction), layer-norm, dropout (of the recurrence),
    /// zoneout, recompute (trains with less memory); on processors packed, packed-bf16, packed-int8 (forward alone, the weights packed beforehand) and
    /// read-weights (reads those of packed once a time step, and nothing else) [default: plain alone]
    #[arg(long, value_name = "VARIANT,…", value_delimiter = ',')]
    variants: Vec<String>,

    /// Devices, separated by commas, as 'elman devices' lists them [default: all that are compiled in]
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    devices: Vec<String>,

    /// Seconds to spend on each figure [default: 1]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    seconds: Option<f64>,

    /// Two tiny sizes and no repeats to speak of: shows that everything runs, not how fast
    #[arg(long)]
    quick: bool,

    /// Also write the rows as JSON, one object a line; with '-' to standard output, and the table to standard
    /// error
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,

    /// Also time torch.nn and ONNX Runtime, as far as this Python has them
    #[arg(long, value_name = "PATH")]
    peer_python: Option<PathBuf>,

    /// Where torch.nn computes: cpu, cuda, mps
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    peer_device: String,

    /// What `cargo bench` passes. Without it, as `cargo test --benches` runs the program, it is quick.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What is to be measured.
pub(crate) struct Plan {
    pub devices: Vec<DeviceInfo>,
    pub cells: Vec<CellKind>,
    pub cases: Vec<Case>,
    /// The plain one first.
    pub variants: Vec<Variant>,
    /// For each figure.
    pub seconds: f64,
    pub peers: Peers,
}

impl Arguments {
    /// Checks everything that can be wrong before anything is measured.
    pub(crate) fn plan(&self) -> Result<Plan, BenchError> {
        let quick = self.quick || !self.bench;
        let seconds = self.seconds.unwrap_or(if quick { 0.01 } else { 1.0 });
        if !(0.0..=3600.0).contains(&seconds) {
            return Err(BenchError::Seconds { found: seconds });
        }
        let cells = match self.cells.as_slice() {
            [] => CellKind::ALL.to_vec(),
            names => names.iter().map(|name| name.trim().parse()).collect::<Result<_, _>>()?,
        };
        let (devices, cases, variants) = (self.devices()?, self.cases(quick)?, self.variants()?);
        // last, because it starts programs
        let peers = self.peer_python.as_ref().map(|python| Peers::find(python, &self.peer_device)).transpose()?;
        Ok(Plan { devices, cells, cases, variants, seconds, peers: peers.unwrap_or_default() })
    }

    fn cases(&self, quick: bool) -> Result<Vec<Case>, BenchError> {
        let mut cases = match &self.cases {
            Some(cases) => cases.split(';').map(str::parse).collect::<Result<_, _>>()?,
            None if self.grid.is_some() => Vec::new(),
            None if quick => QUICK.to_vec(),
            None => STANDARD.to_vec(),
        };
        if let Some(grid) = &self.grid {
            cases.extend(grid.parse::<Grid>()?.0);
        }
        Ok(cases)
    }

    /// Those that were asked for, after the one that they are compared with.
    fn variants(&self) -> Result<Vec<Variant>, BenchError> {
        let mut variants = vec![Variant::PLAIN];
        for name in &self.variants {
            let variant: Variant = name.trim().parse()?;
            if variants.iter().all(|other| other.name != variant.name) {
                variants.push(variant);
            }
        }
        Ok(variants)
    }

    fn devices(&self) -> Result<Vec<DeviceInfo>, BenchError> {
        let all = elman::devices();
        if self.devices.is_empty() {
            return Ok(all);
        }
        let mut chosen = Vec::new();
        for name in &self.devices {
            let device = elman::device(name.trim())?;
            chosen.extend(all.iter().find(|info| info.device == device).cloned());
        }
        Ok(chosen)
    }

    /// Where the rows go as JSON.
    pub(crate) fn json(&self) -> Option<&Path> {
        self.json.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn plan(arguments: &[&str]) -> Result<Plan, BenchError> {
        Arguments::try_parse_from(["bench", "--bench"].iter().chain(arguments)).expect("clap accepts it").plan()
    }

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn all_is_measured_unless_less_is_asked_for() {
        let all = plan(&[]).unwrap();
        assert_eq!((all.cells.len(), all.cases.len(), all.seconds), (6, STANDARD.len(), 1.0));
        assert_eq!((all.devices.len(), all.variants.len()), (elman::devices().len(), 1));
        assert!(all.peers.present.is_empty());

        let some = plan(&["--cells", "lstm,min-gru", "--cases", "1,2,3,4;5,6,7,8", "--seconds", "0.5"]).unwrap();
        assert_eq!(some.cells, [CellKind::Lstm, CellKind::MinGru]);
        assert_eq!((some.cases[1], some.seconds), ("5,6,7,8".parse().unwrap(), 0.5));
    }

    #[test]
    fn a_grid_takes_the_place_of_the_usual_cases_and_joins_those_that_were_asked_for() {
        let cases = |arguments: &[&str]| plan(arguments).unwrap().cases;
        let grid = ["--grid", "B=1,2;T=3;H=4"];
        assert_eq!(cases(&grid), [Case::of(1, 3, 4), Case::of(2, 3, 4)]);
        assert_eq!(cases(&[&grid[..], &["--cases", "9,9,9,9"]].concat()).len(), 3);
    }

    #[test]
    fn the_plain_variant_is_always_there_and_once() {
        let names = |list| plan(&["--variants", list]).unwrap().variants.iter().map(|v| v.name).collect::<Vec<_>>();
        assert_eq!(names("ragged"), ["plain", "ragged"]);
        assert_eq!(names("bidirectional, plain,ragged,ragged"), ["plain", "bidirectional", "ragged"]);
    }

    #[test]
    fn without_cargo_bench_it_is_quick() {
        let plan = Arguments::try_parse_from(["bench"]).unwrap().plan().unwrap();
        assert_eq!(plan.cases, QUICK);
        assert!(plan.seconds < 0.1);
    }

    #[test]
    fn a_mistake_is_one_line_that_blames_the_command_line() {
        for (arguments, expected) in [
            (["--cells", "lstn"], "unknown cell 'lstn': expected simple, rnn"),
            (["--devices", "gpu"], "unknown device 'gpu': expected auto"),
            (["--cases", "1,2"], "'1,2' is no case: expected batch,time,d_input,d_hidden"),
            (["--grid", "B=1;T=2"], "the grid 'B=1;T=2' has H 0 times: expected B, T and H"),
            (["--grid", "B=1;T=2;H=x"], "'H=x' is no part of a grid: expected B=, T= or H="),
            (["--variants", "ragged,raged"], "unknown variant 'raged': expected plain, ragged, bidirectional"),
            (["--seconds", "-1"], "--seconds must be a number from 0 to 3600, not -1"),
            (["--seconds", "NaN"], "--seconds must be a number from 0 to 3600, not NaN"),
            (["--peer-python", "/no/such/python"], "cannot start the peer '/no/such/python'"),
        ] {
            let error = plan(&arguments).map(|_| ()).unwrap_err();
            let message = error.to_string();
            assert!(message.starts_with(expected) && message.lines().count() == 1, "{message}");
            assert!(error.is_usage());
        }
    }
}
