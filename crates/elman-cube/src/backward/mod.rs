//! The backward scan.

mod buffers;
mod persistent;
mod phase;
mod phases;

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    Buffer, Direction, Driver, ScanArgs, ScanOutput, Sequences,
    cell::Pointwise,
    driver::{COLUMNS_PER_THREAD, Plan},
    indexing::first_row,
    kernel::CellSpec,
    layout::AuxLayout,
    pack::{Packing, pack},
    persistent::poison_if_timed_out,
    product::{Tile, scratch},
};
use buffers::Flags;
pub(crate) use buffers::{Backward, BackwardLaunch};
pub(crate) use phase::Phase;

/// The results of the backward scan. `T` time, `B` batch, `G` gates, `H` hidden units, `P` output width. The gradients
/// with respect to weights, biases and gain are sums of these over all rows and steps. All are stored in the dtype of
/// the input projection, except `state`, which is f32.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// With respect to the input projection, `[T, B, G·H]`.
    pub input: Buffer,
    /// With respect to the recurrent product including its bias, `[T, B, G·H]`; `None` if equal to `input`.
    pub recurrent: Option<Buffer>,
    /// With respect to the recurrent product before layer normalization, `[T, B, G·H]`; `None` if equal to `recurrent`.
    pub product: Option<Buffer>,
    /// With respect to the gain, per row and step, `[T, B, G·H]`.
    pub gain: Option<Buffer>,
    /// With respect to the initial states: `[B, P]`, `[B, H]`.
    pub state: Buffer,
    /// With respect to the hidden state after its projection and before zoneout, `[T, B, P]`.
    pub projected: Option<Buffer>,
    /// Not a gradient: the input of the candidate gates' recurrent product, `[T, B, H]`.
    pub late: Option<Buffer>,
}

/// One phase of one step.
#[cube(launch_unchecked)]
pub(crate) fn phase_kernel<N: Float, C: Pointwise>(
    mut b: Backward<N>,
    step: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(COLUMNS_PER_THREAD, tile);
    let row = first_row(CUBE_POS_Y as usize, b.first_reverse_row, comptime!(tile.rows));
    phases::run::<N, C>(&mut b, &mut scratch, step, row, CUBE_POS_X as usize, CUBE_COUNT_X as usize, phase, tile);
}

/// Steps `first..end` of the scan of the rows of a cube, from the last to the first.
#[cube(launch_unchecked)]
pub(crate) fn resident_kernel<N: Float, C: Pointwise>(
    mut b: Backward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(COLUMNS_PER_THREAD, tile);
    let row = first_row(CUBE_POS_X as usize, b.first_reverse_row, comptime!(tile.rows));
    let phases = comptime!(Phase::sequence(b.flags));
    let first_tile = 0usize.runtime();
    let tile_stride = 1usize.runtime();
    for n in first..end {
        let step = first + end - 1 - n;
        #[unroll]
        for n in 0..comptime!(phases.len()) {
            phases::run::<N, C>(&mut b, &mut scratch, step, row, first_tile, tile_stride, comptime!(phases[n]), tile);
            sync_storage();
        }
    }
}

/// The buffers and options of all launches of a backward scan.
struct Args<'a> {
    scan: ScanArgs<'a>,
    gradient: &'a Buffer,
    outputs: &'a ScanOutput,
    weights: Buffer,
    candidate_weights: Option<Buffer>,
    projection: Option<Buffer>,
    into: Gradients,
    aux: AuxLayout,
    flags: Flags,
}

impl Args<'_> {
    fn launch_args<N: Float>(&self) -> BackwardLaunch<N> {
        let Self { scan, gradient, outputs, weights, candidate_weights, projection, into, aux, flags } = self;
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *scan.sequences;
        let operands = scan.operands;
        let (rates, masks) = operands.zoneout();
        BackwardLaunch::new(
            gradient.arg(),
            weights.vec4_arg(),
            candidate_weights.as_ref().map(Buffer::vec4_arg).into(),
            projection.as_ref().map(Buffer::vec4_arg).into(),
            Buffer::optional_arg(operands.gain.as_ref()),
            operands.state.arg(),
            Buffer::optional_arg(lengths.as_ref()),
            Buffer::optional_arg(operands.dropout.as_ref()),
            Buffer::optional_arg(masks),
            outputs.states.arg(),
            outputs.saved.arg(),
            outputs.kept.arg(),
            into.state.arg(),
            into.input.arg(),
            Buffer::optional_arg(into.recurrent.as_ref()),
            Buffer::optional_arg(into.product.as_ref()),
            Buffer::optional_arg(into.gain.as_ref()),
            Buffer::optional_arg(into.projected.as_ref()),
            Buffer::optional_arg(into.late.as_ref()),
            aux.unprojected.unwrap_or(0),
            aux.products.unwrap_or(0),
            aux.statistics.unwrap_or(0),
            time,
            batch,
            hidden,
            output,
            scan.sequences.first_reverse_row(),
            rates.map_or(0.0, |rates| rates[0]),
            rates.map_or(0.0, |rates| rates[1]),
            *flags,
        )
    }
}

/// The backward scan of a cell with a recurrent product.
pub(crate) fn scan_backward<C: Pointwise>(scan: ScanArgs<'_>, outputs: &ScanOutput, gradient: &Buffer) -> Gradients {
    let ScanArgs { client, sequences, operands, .. } = scan;
    let options = operands.options();
    let Sequences { time, batch, hidden, output, .. } = *sequences;
    let aux = AuxLayout::new(CellSpec::new::<C>(), sequences, options, true);
    let flags = Flags {
        gates: C::GATES,
        candidate_gates: C::CANDIDATE_GATES,
        has_unprojected: aux.unprojected.is_some(),
        rates: operands.zoneout().0.is_some(),
        projection: options.projection,
        norm: options.norm,
        bidirectional: sequences.direction == Direction::Bidirectional,
    };
    let (weights, directions) = (operands.recurrent_weights(), sequences.num_directions());
    let candidate_start = (C::GATES - C::CANDIDATE_GATES) * hidden;
    let packed = |offset: usize, len: usize| {
        pack(client, weights, directions, Packing { offset, columns: output, column_stride: 1, len, stride: output })
    };
    let candidate_weights =
        (C::CANDIDATE_GATES > 0).then(|| packed(candidate_start * output, C::CANDIDATE_GATES * hidden));
    let weights = packed(0, candidate_start);
    let projection = operands.projection.as_ref().map(|projection| {
        let packing = Packing { offset: 0, columns: hidden, column_stride: 1, len: output, stride: hidden };
        pack(client, projection, directions, packing)
    });
    let dtype = outputs.saved.number();
    let lines = |width: usize| Buffer::empty_as(client, time * batch * width, dtype);
    let gates = || lines(C::GATES * hidden);
    let into = Gradients {
        input: gates(),
        recurrent: (C::SEPARATE_RECURRENT_GRAD || options.norm).then(gates),
        product: options.norm.then(gates),
        gain: options.norm.then(gates),
        state: Buffer::zeros(client, sequences.state_len(C::STATES, 1)),
        projected: options.projection.then(|| lines(output)),
        late: (C::CANDIDATE_GATES > 0).then(|| lines(hidden)),
    };
    let args = Args { scan, gradient, outputs, weights, candidate_weights, projection, into, aux, flags };
    let mut plan = Plan::for_columns(scan, true);
    let mut counters = None;
    if plan.driver == Driver::Persistent {
        counters = persistent::launch::<C>(&args, plan);
        plan = Plan::for_columns(scan, counters.is_some());
    }
    let (phases, dtype) = (Phase::sequence(flags), dtype.elem());
    let (dim, tile) = (plan.cube_dim(), plan.tile);
    let launch = |step: usize, phase: Phase| {
        let count = plan.phase_cubes(phase.column_tiles(hidden, output, tile), sequences);
        let b = args.launch_args();
        // SAFETY: `ScanArgs::check` ensures that the buffers have the lengths that the sizes require
        unsafe { phase_kernel::launch_unchecked::<C>(client, count, dim, b, step, phase, tile, dtype) }
    };
    match plan.driver {
        Driver::Persistent => {}
        Driver::Resident => {
            let steps = plan.steps_per_launch(scan, C::GATES, phases.len());
            for first in (0..time).step_by(steps).rev() {
                let (count, end) = (plan.resident_cubes(sequences), time.min(first + steps));
                let b = args.launch_args();
                // SAFETY: as above
                unsafe { resident_kernel::launch_unchecked::<C>(client, count, dim, b, first, end, tile, dtype) }
            }
        }
        Driver::Step => (0..time).rev().for_each(|step| phases.iter().for_each(|phase| launch(step, *phase))),
    }
    launch(0, Phase::Initial);
    let gradients = args.into;
    if let Some(counters) = counters {
        let poisoned = [Some(&gradients.input), Some(&gradients.state), gradients.recurrent.as_ref()];
        poison_if_timed_out(client, &counters, &poisoned.into_iter().flatten().collect::<Vec<_>>());
    }
    gradients
}
