//! The scan: the recurrence of a cell over all time steps.
//!
//! [`scan`] takes the input projection of all time steps (one matrix product, computed by the layer) and runs the
//! recurrence. It chooses the implementation: the *reference*, composed of burn's operations, which runs on every
//! backend and is differentiable; the *parallel* scan for cells that are linear in their state; or a *kernel*, from
//! `elman-cpu` on the CPU and from `elman-cube` on GPUs.

mod active;
mod dtype;
mod input_projection;
#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
mod kernels;
mod norm;
mod parallel;
mod sequential;
mod steps;
mod zoneout;

use burn::tensor::Tensor;

use crate::cell::Cell;

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
use kernels::Kernels;

pub use active::Active;
pub(crate) use active::check_lengths;
pub use elman_cpu::Kernel;
use input_projection::input_projection;
pub(crate) use input_projection::{InputWeights, zero_ended};
pub(crate) use norm::EPSILON;
pub use zoneout::Zoneout;

/// The input of a scan. Legend: `T` time, `B` batch, `G` gates, `H` hidden units, `P` output width (`H`, or the width
/// of the projection).
#[derive(Clone, Debug)]
pub struct ScanInput {
    /// The input projection, including its bias, `[T, B, G·H]`.
    pub input: Tensor<3>,
    /// The recurrent weights; `None` for cells without a recurrent product.
    pub recurrent: Option<RecurrentWeights>,
    /// The initial state: `STATES` tensors, the first `[B, P]`, the others `[B, H]`.
    pub state: Vec<Tensor<2>>,
    /// The active rows of each time step; `None` if all rows have all time steps.
    pub active: Option<Active>,
    /// Whether to scan from the last time step to the first.
    pub reverse: bool,
    /// Recurrent dropout (Gal & Ghahramani 2016): the mask, `[B, P]`, by which the hidden state is multiplied before
    /// the recurrent product of every time step.
    pub dropout: Option<Tensor<2>>,
    /// Zoneout of the states.
    pub zoneout: Option<Zoneout>,
}

impl ScanInput {
    /// A forward scan of rows of full length, without dropout or zoneout.
    pub fn new(input: Tensor<3>, recurrent: Option<RecurrentWeights>, state: Vec<Tensor<2>>) -> Self {
        Self { input, recurrent, state, active: None, reverse: false, dropout: None, zoneout: None }
    }
}

/// The weights of the recurrent product and of the projection, which are used at every time step.
#[derive(Clone, Debug)]
pub struct RecurrentWeights {
    /// `W_hh`, `[G·H, P]`.
    pub hidden: Tensor<2>,
    /// `b_hh`, `[G·H]`; `None` if there is none or it was merged into the input projection.
    pub bias: Option<Tensor<1>>,
    /// The projection `W_hr`, `[P, H]`.
    pub projection: Option<Tensor<2>>,
    /// The gain of layer normalization, `[G·H]`: the recurrent product is normalized before its bias is added.
    pub gain: Option<Tensor<1>>,
}

/// The output of a scan.
#[derive(Clone, Debug)]
pub struct ScanOutput {
    /// The states at every time step, `[T, B, ·]` each: the hidden state and, if requested, the others. An ended row
    /// repeats the state of its last active step.
    pub states: Vec<Tensor<3>>,
    /// The final state: after the last step, or after step 0 in a reverse scan.
    pub last: Vec<Tensor<2>>,
}

/// Runs the recurrence of `cell` over a batch of sequences. Returns the first `num_states` states at every time step.
///
/// # Panics
/// If the cell's [kernel](Cell::kernel) differs from the cell in the number of gates or states, or the tensors have the
/// wrong shapes.
pub fn scan<C: Cell>(cell: &C, scan: ScanInput, num_states: usize) -> ScanOutput {
    #[cfg(any(feature = "flex", feature = "ndarray", feature = "cube"))]
    if let Some(kernel) =
        Kernels::for_device(cell, &scan.input.device()).filter(|kernel| kernels::supports(kernel, &scan))
    {
        return kernels::scan(kernel, scan, num_states);
    }
    match cell.linear(scan.input.clone()) {
        Some(coefficients) if scan.zoneout.is_none() => parallel::scan(coefficients, scan),
        _ => sequential::scan(cell, scan, num_states),
    }
}

/// The CPU kernel of a cell.
///
/// # Panics
/// If it differs from the cell in the number of gates or states.
pub(crate) fn cpu_kernel<C: Cell>(cell: &C) -> Option<Kernel> {
    let kernel = cell.kernel()?;
    assert_eq!(
        (kernel.gates(), kernel.states()),
        (C::GATES, C::STATES),
        "{cell:?}: numbers of gates and states of its kernel (left) and of the cell (right) differ"
    );
    Some(kernel)
}

/// Runs one layer in one or both directions: input projection and scan. [`ScanInput::input`] is the input of the layer
/// here, not its projection. If there is a kernel for both directions, they run in one scan.
pub(crate) fn layer<C: Cell>(
    cell: &C,
    directions: Vec<(InputWeights, ScanInput)>,
    recompute: bool,
    num_states: usize,
) -> Vec<ScanOutput> {
    #[cfg(feature = "cube")]
    if directions.len() == 2
        && let Some(kernel) = Kernels::for_device(cell, &directions[0].1.input.device())
        && kernels::supports_bidirectional(&kernel, directions.iter().map(|(_, scan)| scan))
    {
        let project = |(weights, scan): (_, ScanInput)| {
            let input = input_projection(scan.input, weights, scan.active.as_ref());
            ScanInput { input, ..scan }
        };
        return kernels::scan_bidirectional(kernel, directions.into_iter().map(project).collect(), num_states);
    }
    directions.into_iter().map(|(weights, scan)| direction(cell, weights, scan, recompute, num_states)).collect()
}

/// Runs one direction of a layer. If `recompute` is set and there is a CPU kernel, training saves only the input and
/// recomputes the rest in backward; otherwise it saves everything.
fn direction<C: Cell>(
    cell: &C,
    weights: InputWeights,
    layer: ScanInput,
    recompute: bool,
    num_states: usize,
) -> ScanOutput {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if recompute
        && let Some(kernel) = Kernels::for_device(cell, &layer.input.device())
        && kernels::supports(&kernel, &layer)
        && kernels::supports_input_projection(&layer.input, &weights)
    {
        return kernels::recomputed_layer(kernel, weights, layer, num_states);
    }
    let _ = recompute; // unused without CPU kernels
    let input = input_projection(layer.input, weights, layer.active.as_ref());
    scan(cell, ScanInput { input, ..layer }, num_states)
}

/// The parallel form of [`scan`], used without a kernel for cells that are [linear](Cell::linear) in their state.
/// `None` for other cells, and with zoneout, for which the scan is sequential.
pub fn scan_parallel<C: Cell>(cell: &C, scan: ScanInput) -> Option<ScanOutput> {
    if scan.zoneout.is_some() {
        return None;
    }
    cell.linear(scan.input.clone()).map(|coefficients| parallel::scan(coefficients, scan))
}

/// The reference form of [`scan`], for every cell. The other forms are tested against it.
pub fn scan_sequential<C: Cell>(cell: &C, scan: ScanInput, num_states: usize) -> ScanOutput {
    sequential::scan(cell, scan, num_states)
}
