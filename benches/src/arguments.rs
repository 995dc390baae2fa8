use std::path::{Path, PathBuf};

use clap::Parser;
use elman::{DeviceInfo, recurrence::CellKind};

use crate::{
    case::{Case, QUICK, STANDARD, gpu_work},
    error::BenchError,
    grid::Grid,
    peer::Peers,
    peer_device::DeviceRequest,
    script::Python,
    target::Target,
    variant::Variant,
};

/// Benchmark recurrent layers, forward and training, against burn-nn, PyTorch and ONNX Runtime.
///
/// All times are medians in milliseconds. A ratio is the peer's time divided by elman's: above 1, elman is faster.
#[derive(Debug, Parser)]
#[command(name = "recurrence", bin_name = "cargo bench -p elman-bench --", max_term_width = 100)]
pub struct Arguments {
    /// Cells, separated by commas: elman, rnn, gru, lstm, min-gru, min-lstm [default: all]
    #[arg(long, value_name = "CELL,…", value_delimiter = ',')]
    cells: Vec<String>,

    /// Sizes as "batch,time,d_input,d_hidden;…" [default: 1,64,256,256; 1,64,1024,1024; 32,64,256,256;
    /// 32,64,512,512; 64,256,512,512; on GPUs 16,1024,768,768; 64,256,512,512; 256,256,128,128;
    /// 32,256,128,128; 1,256,128,128; and 16,4096,512,512 for min-gru and min-lstm]
    #[arg(long, value_name = "B,T,I,H;…")]
    cases: Option<String>,

    /// All combinations of batch sizes, time steps and hidden sizes (the input size equals the hidden size), in
    /// addition to --cases, as "B=1,32,256;T=1,64,1024;H=32,512,2048"; the largest take minutes per repeat
    #[arg(long, value_name = "B=…;T=…;H=…")]
    grid: Option<String>,

    /// Variants to compare with the plain layers, separated by commas: ragged (lengths uniform from 1 to T),
    /// bidirectional (H hidden units in each direction), layer-norm, dropout (of the recurrence), zoneout, recompute
    /// (trains with less memory); on GPUs f16 and bf16 (storage dtypes); on CPUs packed, packed-bf16, packed-int8
    /// (forward only, with prepacked weights) and read-weights (only reads the packed weights once per time step)
    /// [default: only plain]
    #[arg(long, value_name = "VARIANT,…", value_delimiter = ',')]
    variants: Vec<String>,

    /// Devices, separated by commas, as 'elman devices' lists them [default: all of this build]
    #[arg(long, value_name = "DEVICE,…", value_delimiter = ',')]
    devices: Vec<String>,

    /// Seconds per measurement [default: 1, on GPUs 0.2]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    seconds: Option<f64>,

    /// Time budget per device in seconds: no row starts after it, and skipped rows are listed [default: 150 for the
    /// default sizes on GPUs, otherwise none]
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    budget: Option<f64>,

    /// Smoke test: two tiny sizes, hardly any repeats; the times are meaningless
    #[arg(long)]
    quick: bool,

    /// Also write the rows as JSON Lines; '-' writes them to standard output, and the table to standard error
    #[arg(long, value_name = "FILE|-")]
    json: Option<PathBuf>,

    /// Python interpreter with which to time torch.nn and ONNX Runtime, if installed
    #[arg(long, value_name = "PATH")]
    peer_python: Option<PathBuf>,

    /// PyTorch device: cpu, cuda, cuda:1, mps [default: the hardware of each elman device]
    #[arg(long, value_name = "DEVICE", requires = "peer_python")]
    peer_device: Option<String>,

    /// Passed by `cargo bench`. Without it, as in `cargo test --benches`, `--quick` is implied.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What to measure.
pub(crate) struct Plan {
    pub targets: Vec<Target>,
    /// Starts with the plain variant.
    pub variants: Vec<Variant>,
}

impl Arguments {
    /// Validates all arguments before anything is measured.
    pub(crate) fn plan(&self) -> Result<Plan, BenchError> {
        for (option, found) in [("--seconds", self.seconds), ("--budget", self.budget)] {
            if let Some(found) = found.filter(|found| !(0.0..=3600.0).contains(found)) {
                return Err(BenchError::Seconds { option, found });
            }
        }
        let cells = match self.cells.as_slice() {
            [] => CellKind::ALL.to_vec(),
            names => names.iter().map(|name| name.trim().parse()).collect::<Result<_, _>>()?,
        };
        let (devices, cases, variants) = (self.devices()?, self.cases()?, self.variants()?);
        // last, because it starts programs
        let peers = self.peers(&devices)?;
        let target = |(device, peers)| self.target(device, peers, &cells, cases.as_deref());
        Ok(Plan { targets: devices.into_iter().zip(peers).map(target).collect(), variants })
    }

    fn is_quick(&self) -> bool {
        self.quick || !self.bench
    }

    fn target(&self, device: DeviceInfo, peers: Peers, cells: &[CellKind], cases: Option<&[Case]>) -> Target {
        let all_cells =
            |cases: &[Case]| cells.iter().flat_map(|cell| cases.iter().map(|case| (*cell, *case))).collect();
        let (work, budget) = match cases {
            Some(cases) => (all_cells(cases), f64::INFINITY),
            None if device.hardware_gpu => (gpu_work(cells), 150.0),
            None => (all_cells(&STANDARD), f64::INFINITY),
        };
        let seconds = match () {
            () if self.is_quick() => 0.01,
            () if device.hardware_gpu => 0.2,
            () => 1.0,
        };
        let (seconds, budget) = (self.seconds.unwrap_or(seconds), self.budget.unwrap_or(budget));
        Target { device, work, peers, seconds, budget }
    }

    /// The cases that the command line selects, `None` for the defaults.
    fn cases(&self) -> Result<Option<Vec<Case>>, BenchError> {
        let mut cases = match &self.cases {
            Some(cases) => cases.split(';').map(str::parse).collect::<Result<_, _>>()?,
            None if self.grid.is_some() => Vec::new(),
            None if self.is_quick() => QUICK.to_vec(),
            None => return Ok(None),
        };
        if let Some(grid) = &self.grid {
            cases.extend(grid.parse::<Grid>()?.0);
        }
        Ok(Some(cases))
    }

    /// The peers of each device. Devices that map to the same peer device share one query.
    fn peers(&self, devices: &[DeviceInfo]) -> Result<Vec<Peers>, BenchError> {
        let Some(program) = &self.peer_python else { return Ok(vec![Peers::default(); devices.len()]) };
        let python = Python::new(program)?;
        let mut known: Vec<(DeviceRequest, Peers)> = Vec::new();
        let mut all = Vec::new();
        for device in devices {
            let request = DeviceRequest::for_device(device, self.peer_device.as_deref());
            let peers = match known.iter().find(|(other, _)| *other == request) {
                Some((_, peers)) => peers.clone(),
                None => Peers::find(&python, &request)?,
            };
            all.push(peers.clone());
            known.push((request, peers));
        }
        Peers::require_any(program, &all)?;
        Ok(all)
    }

    /// The plain variant, followed by the selected ones.
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

    /// Output of the JSON rows.
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
    fn command_line_definition_is_valid() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn everything_is_measured_by_default() {
        let all = plan(&[]).unwrap();
        assert_eq!((all.targets.len(), all.variants.len()), (elman::devices().len(), 1));
        for Target { device, work, peers, seconds, budget } in all.targets {
            if !device.hardware_gpu {
                assert_eq!((work.len(), seconds, budget), (6 * STANDARD.len(), 1.0, f64::INFINITY));
            }
            assert!(peers.present.is_empty());
        }
        let arguments = ["--cells", "lstm,min-gru", "--cases", "1,2,3,4;5,6,7,8", "--seconds", "0.5", "--budget", "9"];
        let some = plan(&arguments).unwrap().targets.remove(0);
        let second: Case = "5,6,7,8".parse().unwrap();
        assert_eq!((some.work[1], some.work[3]), ((CellKind::Lstm, second), (CellKind::MinGru, second)));
        assert_eq!((some.work.len(), some.seconds, some.budget), (4, 0.5, 9.0));
    }

    #[test]
    fn gpu_has_its_own_cases_and_a_time_budget() {
        let on_gpu = |arguments: &[&str]| {
            let arguments = Arguments::try_parse_from(["bench", "--bench"].iter().chain(arguments)).unwrap();
            let device = DeviceInfo { hardware_gpu: true, ..elman::devices().remove(0) };
            let cases = arguments.cases().unwrap();
            arguments.target(device, Peers::default(), &[CellKind::MinGru], cases.as_deref())
        };
        let usual = on_gpu(&[]);
        assert_eq!((usual.work, usual.seconds, usual.budget), (gpu_work(&[CellKind::MinGru]), 0.2, 150.0));
        let asked = on_gpu(&["--cases", "1,2,3,4"]);
        assert_eq!((asked.work.len(), asked.budget), (1, f64::INFINITY));
    }

    #[test]
    fn grid_replaces_default_cases_and_extends_given_ones() {
        let cases = |arguments: &[&str]| {
            let arguments = [&["--cells", "lstm"], arguments].concat();
            plan(&arguments).unwrap().targets.remove(0).work.into_iter().map(|(_, case)| case).collect::<Vec<_>>()
        };
        let grid = ["--grid", "B=1,2;T=3;H=4"];
        assert_eq!(cases(&grid), [Case::square(1, 3, 4), Case::square(2, 3, 4)]);
        assert_eq!(cases(&[&grid[..], &["--cases", "9,9,9,9"]].concat()).len(), 3);
    }

    #[test]
    fn plain_variant_is_always_included_once() {
        let names = |list| plan(&["--variants", list]).unwrap().variants.iter().map(|v| v.name).collect::<Vec<_>>();
        assert_eq!(names("ragged"), ["plain", "ragged"]);
        assert_eq!(names("bidirectional, plain,ragged,ragged"), ["plain", "bidirectional", "ragged"]);
    }

    #[test]
    fn quick_is_implied_without_cargo_bench() {
        let target = Arguments::try_parse_from(["bench"]).unwrap().plan().unwrap().targets.remove(0);
        assert_eq!((target.work[0].1, target.work.len()), (QUICK[0], 6 * QUICK.len()));
        assert!(target.seconds < 0.1);
    }

    #[test]
    fn invalid_argument_is_a_one_line_usage_error() {
        for (arguments, expected) in [
            (["--cells", "lstn"], "unknown cell 'lstn': expected elman, rnn"),
            (["--devices", "gpu"], "unknown device 'gpu': expected auto"),
            (["--cases", "1,2"], "invalid case '1,2': expected batch,time,d_input,d_hidden"),
            (["--grid", "B=1;T=2"], "invalid grid 'B=1;T=2': H occurs 0 times; expected B, T and H"),
            (["--grid", "B=1;T=2;H=x"], "invalid grid part 'H=x': expected B=, T= or H="),
            (["--variants", "ragged,raged"], "unknown variant 'raged': expected plain, ragged, bidirectional"),
            (["--seconds", "-1"], "--seconds must be a number from 0 to 3600, not -1"),
            (["--budget", "3601"], "--budget must be a number from 0 to 3600, not 3601"),
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
