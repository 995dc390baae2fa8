//! How a sequence is walked: one driver for every cell.
//!
//! [`scan`] takes the input product of all time steps (one matrix product, made by the layer) and runs the recurrence.
//! It is the only place that knows the targets: the *reference* walk, composed of burn's operations, which runs on every
//! backend and is differentiable; the *parallel* scan for cells that are linear in their state; and *kernels*, those of
//! `elman-cpu` on processors and those of `elman-cube` on graphics cards.

mod active;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
mod kernels;
mod norm;
mod parallel;
mod product;
mod sequential;
mod steps;
mod stored;
mod zoneout;

use burn::tensor::Tensor;

use crate::cell::Cell;

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
use kernels::Kernels;

pub use active::Active;
pub(crate) use active::check_lengths;
pub use elman_cpu::Kernel;
pub(crate) use norm::EPSILON;
use product::input_product;
pub(crate) use product::{InputWeights, zero_ended};
pub use zoneout::Zoneout;

/// What a scan reads. Legend: `T` time, `B` batch, `G` gates, `H` hidden units, `P` output width (`H`, or the
/// projection's).
#[derive(Clone, Debug)]
pub struct ScanInput {
    /// The input product with its bias, `[T, B, G·H]`.
    pub input: Tensor<3>,
    /// The recurrent weights; `None` for cells without a recurrent product.
    pub recurrent: Option<RecurrentWeights>,
    /// The initial state: `STATES` tensors, the first `[B, P]`, the others `[B, H]`.
    pub state: Vec<Tensor<2>>,
    /// Which rows are active when; `None` if all are at all times.
    pub active: Option<Active>,
    /// Walk from the last time step to the first.
    pub reverse: bool,
    /// Recurrent dropout (Gal & Ghahramani 2016): what the hidden state is multiplied with before the recurrent product,
    /// `[B, P]`, the same at every time step.
    pub dropout: Option<Tensor<2>>,
    /// How much of each state stays as it was.
    pub zoneout: Option<Zoneout>,
}

impl ScanInput {
    /// All rows at all times, forward, without dropout or zoneout.
    pub fn new(input: Tensor<3>, recurrent: Option<RecurrentWeights>, state: Vec<Tensor<2>>) -> Self {
        Self { input, recurrent, state, active: None, reverse: false, dropout: None, zoneout: None }
    }
}

/// The weights that are used again at every time step.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// `W_hh`, `[G·H, P]`.
    pub hidden: Tensor<2>,
    /// `b_hh`, `[G·H]`; `None` if there is none or it has been added to the input product already.
    pub bias: Option<Tensor<1>>,
    /// The projection `W_hr`, `[P, H]`.
    pub projection: Option<Tensor<2>>,
    /// The gain of layer normalisation, `[G·H]`: the product is normalised before its bias is added.
    pub gain: Option<Tensor<1>>,
}

/// What a scan returns.
#[derive(Clone, Debug)]
pub struct ScanOutput {
    /// The states at every time step, `[T, B, ·]` each: the hidden state, and the others where they were asked for.
    /// Values of rows that have ended are those of the last active step.
    pub states: Vec<Tensor<3>>,
    /// The state after the last step that was walked.
    pub last: Vec<Tensor<2>>,
}

/// Runs the recurrence of `cell` over a sequence. `keep` states are returned for every time step.
///
/// # Panics
/// If the cell's [kernel](Cell::kernel) has other gates or states than the cell, or the tensors' shapes do not fit.
pub fn scan<C: Cell>(cell: &C, scan: ScanInput, keep: usize) -> ScanOutput {
    #[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
    if let Some(kernel) = Kernels::of(cell, &scan.input.device()).filter(|kernel| kernels::fits(kernel, &scan)) {
        return kernels::walk(kernel, scan, keep);
    }
    match cell.linear(scan.input.clone()) {
        Some(coefficients) if scan.zoneout.is_none() => parallel::walk(coefficients, scan),
        _ => sequential::walk(cell, scan, keep),
    }
}

/// The kernel of a cell.
///
/// # Panics
/// If it has other gates or states than the cell.
pub(crate) fn kernel_of<C: Cell>(cell: &C) -> Option<Kernel> {
    let kernel = cell.kernel()?;
    assert_eq!(
        (kernel.gates(), kernel.states()),
        (C::GATES, C::STATES),
        "{cell:?}: gates and states of its kernel (left) are not the cell's"
    );
    Some(kernel)
}

/// The input products and the recurrences of a layer, of one direction or both, whose input is that of the scans. Both are walked
/// at once where there are kernels for that.
pub(crate) fn layer<C: Cell>(
    cell: &C,
    directions: Vec<(InputWeights, ScanInput)>,
    recompute: bool,
    keep: usize,
) -> Vec<ScanOutput> {
    #[cfg(feature = "cube")]
    if directions.len() == 2
        && let Some(kernel) = Kernels::of(cell, &directions[0].1.input.device())
        && kernels::both_fit(&kernel, directions.iter().map(|(_, scan)| scan))
    {
        let with_product = |(with, scan): (_, ScanInput)| {
            let input = input_product(scan.input, with, scan.active.as_ref());
            ScanInput { input, ..scan }
        };
        return kernels::walk_both_ways(kernel, directions.into_iter().map(with_product).collect(), keep);
    }
    directions.into_iter().map(|(with, scan)| direction(cell, with, scan, recompute, keep)).collect()
}

/// One direction of a layer. If `recompute` is set, training keeps no more than its input and computes the rest again when it is
/// walked back, where there are kernels for processors; elsewhere it keeps everything.
fn direction<C: Cell>(cell: &C, with: InputWeights, scan_of: ScanInput, recompute: bool, keep: usize) -> ScanOutput {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if recompute
        && let Some(kernel) = Kernels::of(cell, &scan_of.input.device())
        && kernels::fits(&kernel, &scan_of)
        && kernels::product_fits(&scan_of.input, &with)
    {
        return kernels::recomputed(kernel, with, scan_of, keep);
    }
    let _ = recompute; // where there are no kernels
    let input = input_product(scan_of.input, with, scan_of.active.as_ref());
    scan(cell, ScanInput { input, ..scan_of }, keep)
}

/// [`scan`] in the parallel form that cells which are [linear](Cell::linear) in their state take where there is no kernel;
/// `None` for the others, and with zoneout, which is walked step by step.
pub fn scan_parallel<C: Cell>(cell: &C, scan: ScanInput) -> Option<ScanOutput> {
    if scan.zoneout.is_some() {
        return None;
    }
    cell.linear(scan.input.clone()).map(|coefficients| parallel::walk(coefficients, scan))
}

/// [`scan`] in the form of the reference for every cell: what the others are compared with.
pub fn scan_sequential<C: Cell>(cell: &C, scan: ScanInput, keep: usize) -> ScanOutput {
    sequential::walk(cell, scan, keep)
}
