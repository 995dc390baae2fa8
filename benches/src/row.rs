use std::collections::BTreeMap;

use elman::recurrence::CellKind;
use serde::Serialize;

use crate::{
    case::Case,
    ceilings::Ceilings,
    error::BenchError,
    layer::{self, Input, Pass},
    library::Library,
    operations::gflop,
    peer_device::PeerDevice,
    target::Target,
    timing::{Timing, alternate},
    traffic::gigabytes,
    variant::{Problem, Variant, Work},
};

/// Results for one cell, variant, case and device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub device: String,
    pub cell: CellKind,
    #[serde(flatten)]
    pub case: Case,
    pub variant: &'static str,
    /// Throughput of the device's large matrix product.
    pub peak_gflop_per_second: f64,
    /// Bandwidth of the device's large copy, in 10⁹ bytes read and written per second.
    pub copy_gb_per_second: f64,
    /// The device of PyTorch, if it takes part.
    pub torch_on: Option<PeerDevice>,
    pub forward: Contest,
    /// `None` for variants that do not train.
    pub training: Option<Contest>,
}

/// The same work in several libraries.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Contest {
    pub elman: Timing,
    /// Throughput of elman's matrix products.
    pub gflop_per_second: f64,
    /// `gflop_per_second` divided by the device's peak.
    pub peak_share: f64,
    /// Lower bound of elman's memory traffic, in 10⁹ bytes per second.
    pub gb_per_second: f64,
    /// `gb_per_second` divided by the bandwidth of the device's large copy.
    pub copy_share: f64,
    /// elman's time divided by that of the plain variant.
    pub plain_ratio: f64,
    #[serde(flatten)]
    pub peers: BTreeMap<Library, Versus>,
    /// The fastest peer, if any.
    pub best: Option<Best>,
}

/// A peer compared with elman.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Versus {
    #[serde(flatten)]
    pub timing: Timing,
    /// The peer's time divided by elman's.
    pub ratio: f64,
}

/// The fastest peer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Best {
    pub peer: Library,
    pub ratio: f64,
}

/// What the rows of a device have in common.
pub(crate) struct Setting<'a> {
    pub target: &'a Target,
    pub ceilings: Ceilings,
    pub variants: &'a [Variant],
}

/// Work of a pass.
#[derive(Clone, Copy)]
struct Cost {
    gflop: f64,
    gigabytes: f64,
}

impl Cost {
    fn new(problem: &Problem, pass: Pass) -> Self {
        Self { gflop: gflop(problem, pass), gigabytes: gigabytes(problem, pass) }
    }
}

/// Timings of a contest.
struct Times {
    elman: Timing,
    peers: BTreeMap<Library, Timing>,
}

impl Setting<'_> {
    /// Measures a row for each variant of the cell. elman and burn-nn alternate over all variants; the peers in
    /// separate processes run afterwards.
    pub fn measure(&self, cell: CellKind, case: Case) -> Result<Vec<Row>, BenchError> {
        let Target { device: info, peers, seconds, .. } = self.target;
        let device = &info.device;
        let problems = self.variants.iter().filter_map(|variant| variant.problem(cell, case));
        let problems: Vec<Problem> = problems.filter(|problem| problem.fits(device)).collect();
        let trained: Vec<Problem> = problems.iter().filter(|problem| problem.work == Work::Run).cloned().collect();
        let mut forward = self.alternate(&problems, case, Pass::Forward);
        let mut training: BTreeMap<&str, Times> = self
            .alternate(&trained, case, Pass::Training)
            .into_iter()
            .zip(&trained)
            .map(|(times, problem)| (problem.variant, times))
            .collect();
        for (index, problem) in problems.iter().enumerate() {
            for peer in &peers.present {
                if let Some(timings) = peer.measure(problem, *seconds)? {
                    forward[index].peers.insert(peer.library, timings.forward);
                    if let Some(times) = training.get_mut(problem.variant) {
                        times.peers.extend(timings.training.map(|timing| (peer.library, timing)));
                    }
                }
            }
        }
        let contest = |problem: &Problem, times: &Times, plain: &Times, pass| {
            Contest::new(times, plain.elman.ms, Cost::new(problem, pass), self.ceilings)
        };
        let train = |problem: &Problem| {
            let (times, plain) = (training.get(problem.variant)?, training.get(Variant::PLAIN.name)?);
            Some(contest(problem, times, plain, Pass::Training))
        };
        let row = |index: usize| Row {
            device: info.name.clone(),
            cell,
            case,
            variant: problems[index].variant,
            peak_gflop_per_second: self.ceilings.product.gflop_per_second,
            copy_gb_per_second: self.ceilings.copy.gb_per_second,
            torch_on: peers.torch_on().cloned(),
            forward: contest(&problems[index], &forward[index], &forward[0], Pass::Forward),
            training: train(&problems[index]),
        };
        Ok((0..problems.len()).map(row).collect())
    }

    fn alternate(&self, problems: &[Problem], case: Case, pass: Pass) -> Vec<Times> {
        let input = Input::random(case, pass, &self.target.device.device);
        let mut contestants = Vec::new();
        let mut burn_nn = Vec::new();
        for problem in problems {
            contestants.push(layer::elman(problem, &input));
            let peer = layer::burn_nn(problem, &input);
            burn_nn.push(peer.is_some());
            contestants.extend(peer);
        }
        let mut timings = alternate(&mut contestants, self.target.seconds).into_iter();
        let mut next = || timings.next().expect("one timing per contestant");
        let times = |burn_nn: bool| Times {
            elman: next(),
            peers: burn_nn.then(|| (Library::BurnNn, next())).into_iter().collect(),
        };
        burn_nn.into_iter().map(times).collect()
    }
}

impl Contest {
    fn new(times: &Times, plain_ms: f64, cost: Cost, ceilings: Ceilings) -> Self {
        let elman = times.elman;
        let versus = |timing: &Timing| Versus { timing: *timing, ratio: timing.ms / elman.ms };
        let peers: BTreeMap<_, _> = times.peers.iter().map(|(library, timing)| (*library, versus(timing))).collect();
        let best = peers.iter().min_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
        let best = best.map(|(peer, versus)| Best { peer: *peer, ratio: versus.ratio });
        let per_second = |amount: f64| amount / (elman.ms / 1e3);
        let (gflop_per_second, gb_per_second) = (per_second(cost.gflop), per_second(cost.gigabytes));
        Self {
            elman,
            gflop_per_second,
            peak_share: gflop_per_second / ceilings.product.gflop_per_second,
            gb_per_second,
            copy_share: gb_per_second / ceilings.copy.gb_per_second,
            plain_ratio: elman.ms / plain_ms,
            peers,
            best,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        ceilings::{Copying, Product},
        peer::Peers,
        variant::VARIANTS,
    };

    fn ceilings(gflop_per_second: f64, gb_per_second: f64) -> Ceilings {
        let product = Product { gflop_per_second, size: [1, 1, 1] };
        Ceilings { product, copy: Copying { gb_per_second, bytes: 1 } }
    }

    #[test]
    fn ratios_are_relative_to_elman_and_the_best_peer_is_the_fastest() {
        let timing = |ms| Timing { ms, low: ms, high: ms, runs: 3 };
        let peers =
            [(Library::BurnNn, timing(40.0)), (Library::Torch, timing(5.0)), (Library::OnnxRuntime, timing(8.0))];
        let times = Times { elman: timing(10.0), peers: peers.into() };
        let cost = Cost { gflop: 2.0, gigabytes: 0.1 };
        let contest = Contest::new(&times, 4.0, cost, ceilings(500.0, 40.0));
        assert_eq!(contest.peers.values().map(|versus| versus.ratio).collect::<Vec<_>>(), [4.0, 0.5, 0.8]);
        assert_eq!(contest.best.map(|best| (best.peer, best.ratio)), Some((Library::Torch, 0.5)));
        assert_eq!((contest.gflop_per_second, contest.peak_share, contest.plain_ratio), (200.0, 0.4, 2.5));
        assert_eq!((contest.gb_per_second, contest.copy_share), (10.0, 0.25));
        let alone = Contest::new(&Times { peers: BTreeMap::new(), ..times }, 10.0, cost, ceilings(500.0, 40.0));
        assert!(alone.best.is_none());
    }

    #[test]
    fn every_supported_variant_has_a_row() {
        let device = elman::devices().remove(0);
        let target = Target { device, work: Vec::new(), peers: Peers::default(), seconds: 0.0, budget: 0.0 };
        let device = &target.device;
        let setting = Setting { target: &target, ceilings: ceilings(1.0, 1.0), variants: VARIANTS };
        let case: Case = "2,3,4,5".parse().unwrap();
        let rows = setting.measure(CellKind::Lstm, case).unwrap();
        let is_packed = |name: &str| name.starts_with("packed") || name == "read-weights";
        let fits = |variant: &&Variant| variant.problem(CellKind::Lstm, case).unwrap().fits(&device.device);
        let expected: Vec<_> = VARIANTS.iter().filter(fits).map(|variant| variant.name).collect();
        assert_eq!(rows.iter().map(|row| row.variant).collect::<Vec<_>>(), expected);
        let training = |row: &Row| row.training.as_ref().map(|training| training.plain_ratio);
        assert_eq!((rows[0].forward.plain_ratio, training(&rows[0])), (1.0, Some(1.0)));
        for row in rows {
            let burn_nn = matches!(row.variant, "plain" | "bidirectional");
            assert_eq!(row.forward.best.map(|best| best.peer), burn_nn.then_some(Library::BurnNn), "{}", row.variant);
            let is_trained = !is_packed(row.variant);
            assert_eq!(row.training.map(|training| training.peers.len()), is_trained.then_some(usize::from(burn_nn)));
        }
    }
}
