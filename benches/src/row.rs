use elman::{DeviceInfo, recurrence::CellKind};
use serde::Serialize;

use crate::{
    case::Case,
    error::BenchError,
    layer::{self, Pass},
    timing::{Figure, alternate},
    torch::Torch,
};

/// One cell on one case on one device.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub device: String,
    pub cell: CellKind,
    #[serde(flatten)]
    pub case: Case,
    pub forward: Contest,
    pub training: Contest,
}

/// The same work done by several libraries.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Contest {
    pub elman: Figure,
    /// Billions of floating-point operations per second, of elman's matrix products.
    pub gflop_per_second: f64,
    pub burn_nn: Option<Figure>,
    pub torch: Option<Figure>,
}

impl Row {
    /// Times elman and burn-nn in turn, then PyTorch.
    pub fn measure(
        device: &DeviceInfo,
        cell: CellKind,
        case: Case,
        seconds: f64,
        torch: Option<&Torch>,
    ) -> Result<Self, BenchError> {
        let mut forward = Contest::measure(device, cell, case, Pass::Forward, seconds);
        let mut training = Contest::measure(device, cell, case, Pass::Training, seconds);
        if let Some(figures) = torch.map(|torch| torch.measure(cell, case, seconds)).transpose()?.flatten() {
            forward.torch = Some(figures.forward);
            training.torch = Some(figures.training);
        }
        Ok(Self { device: device.name.clone(), cell, case, forward, training })
    }
}

impl Contest {
    fn measure(device: &DeviceInfo, cell: CellKind, case: Case, pass: Pass, seconds: f64) -> Self {
        let mut contestants = vec![layer::elman(cell, case, pass, &device.device)];
        contestants.extend(layer::burn_nn(cell, case, pass, &device.device));
        let mut figures = alternate(&mut contestants, seconds).into_iter();
        let elman = figures.next().expect("a figure for each contestant");
        let gflop = match pass {
            Pass::Forward => case.forward_gflop(cell),
            Pass::Training => case.training_gflop(cell),
        };
        Self { elman, gflop_per_second: gflop / (elman.ms / 1e3), burn_nn: figures.next(), torch: None }
    }
}
