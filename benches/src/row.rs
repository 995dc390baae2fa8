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
    place::Place,
    target::Target,
    timing::{Figure, alternate},
    traffic::gigabytes,
    variant::{Problem, Variant, Work},
};

/// One cell in one variant on one case on one device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub device: String,
    pub cell: CellKind,
    #[serde(flatten)]
    pub case: Case,
    pub variant: &'static str,
    /// Of the device's large matrix product.
    pub peak_gflop_per_second: f64,
    /// Of the device's large copy, 10⁹ bytes read and written.
    pub copy_gb_per_second: f64,
    /// Where PyTorch computes, if it takes part.
    pub torch_on: Option<Place>,
    pub forward: Contest,
    /// `None` where there is nothing to train.
    pub training: Option<Contest>,
}

/// The same work done by several libraries.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Contest {
    pub elman: Figure,
    /// Billions of floating-point operations per second, of elman's matrix products.
    pub gflop_per_second: f64,
    /// Those divided by the device's peak.
    pub peak_share: f64,
    /// 10⁹ bytes per second, of what elman has to read and write at least.
    pub gb_per_second: f64,
    /// Those divided by the device's large copy.
    pub copy_share: f64,
    /// elman's time divided by that of the plain variant.
    pub plain_ratio: f64,
    #[serde(flatten)]
    pub peers: BTreeMap<Library, Versus>,
    /// The fastest of the peers, if there is any.
    pub best: Option<Best>,
}

/// A peer beside elman.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Versus {
    #[serde(flatten)]
    pub figure: Figure,
    /// The peer's time divided by elman's.
    pub ratio: f64,
}

/// The fastest peer.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Best {
    pub peer: Library,
    pub ratio: f64,
}

/// What all rows of a device share.
pub(crate) struct Setting<'a> {
    pub target: &'a Target,
    pub ceilings: Ceilings,
    pub variants: &'a [Variant],
}

/// What a pass has to do.
#[derive(Clone, Copy)]
struct Needs {
    gflop: f64,
    gigabytes: f64,
}

impl Needs {
    fn of(problem: &Problem, pass: Pass) -> Self {
        Self { gflop: gflop(problem, pass), gigabytes: gigabytes(problem, pass) }
    }
}

/// The times of a contest.
struct Times {
    elman: Figure,
    peers: BTreeMap<Library, Figure>,
}

impl Setting<'_> {
    /// A row for each variant that the cell has. elman and burn-nn take turns in all of them, then follow the peers that
    /// are processes of their own.
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
        for (at, problem) in problems.iter().enumerate() {
            for peer in &peers.present {
                if let Some(figures) = peer.measure(problem, *seconds)? {
                    forward[at].peers.insert(peer.library, figures.forward);
                    if let Some(times) = training.get_mut(problem.variant) {
                        times.peers.extend(figures.training.map(|figure| (peer.library, figure)));
                    }
                }
            }
        }
        let contest = |problem: &Problem, times: &Times, plain: &Times, pass| {
            Contest::new(times, plain.elman.ms, Needs::of(problem, pass), self.ceilings)
        };
        let train = |problem: &Problem| {
            let (times, plain) = (training.get(problem.variant)?, training.get(Variant::PLAIN.name)?);
            Some(contest(problem, times, plain, Pass::Training))
        };
        let row = |at: usize| Row {
            device: info.name.clone(),
            cell,
            case,
            variant: problems[at].variant,
            peak_gflop_per_second: self.ceilings.product.gflop_per_second,
            copy_gb_per_second: self.ceilings.copy.gb_per_second,
            torch_on: peers.torch_on().cloned(),
            forward: contest(&problems[at], &forward[at], &forward[0], Pass::Forward),
            training: train(&problems[at]),
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
        let mut figures = alternate(&mut contestants, self.target.seconds).into_iter();
        let mut next = || figures.next().expect("a figure for each contestant");
        let times = |burn_nn: bool| Times {
            elman: next(),
            peers: burn_nn.then(|| (Library::BurnNn, next())).into_iter().collect(),
        };
        burn_nn.into_iter().map(times).collect()
    }
}

impl Contest {
    fn new(times: &Times, plain_ms: f64, needs: Needs, ceilings: Ceilings) -> Self {
        let elman = times.elman;
        let versus = |figure: &Figure| Versus { figure: *figure, ratio: figure.ms / elman.ms };
        let peers: BTreeMap<_, _> = times.peers.iter().map(|(library, figure)| (*library, versus(figure))).collect();
        let best = peers.iter().min_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
        let best = best.map(|(peer, versus)| Best { peer: *peer, ratio: versus.ratio });
        let per_second = |amount: f64| amount / (elman.ms / 1e3);
        let (gflop_per_second, gb_per_second) = (per_second(needs.gflop), per_second(needs.gigabytes));
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
    fn ratios_are_by_elmans_time_and_the_best_peer_is_the_fastest() {
        let figure = |ms| Figure { ms, low: ms, high: ms, runs: 3 };
        let peers =
            [(Library::BurnNn, figure(40.0)), (Library::Torch, figure(5.0)), (Library::OnnxRuntime, figure(8.0))];
        let times = Times { elman: figure(10.0), peers: peers.into() };
        let needs = Needs { gflop: 2.0, gigabytes: 0.1 };
        let contest = Contest::new(&times, 4.0, needs, ceilings(500.0, 40.0));
        assert_eq!(contest.peers.values().map(|versus| versus.ratio).collect::<Vec<_>>(), [4.0, 0.5, 0.8]);
        assert_eq!(contest.best.map(|best| (best.peer, best.ratio)), Some((Library::Torch, 0.5)));
        assert_eq!((contest.gflop_per_second, contest.peak_share, contest.plain_ratio), (200.0, 0.4, 2.5));
        assert_eq!((contest.gb_per_second, contest.copy_share), (10.0, 0.25));
        let alone = Contest::new(&Times { peers: BTreeMap::new(), ..times }, 10.0, needs, ceilings(500.0, 40.0));
        assert!(alone.best.is_none());
    }

    #[test]
    fn every_variant_has_a_row_beside_the_plain_one() {
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
