//! The forward scan.

mod buffers;
mod persistent;
mod phases;
mod units;

use cubecl::{ir::ElemType, prelude::*};

use crate::{
    Buffer, Direction, Driver, ScanArgs, Sequences,
    cell::Pointwise,
    driver::Plan,
    indexing::first_row,
    kernel::CellSpec,
    layout::AuxLayout,
    pack::{Packing, pack},
    persistent::poison_if_timed_out,
    product::{Tile, scratch},
};
use buffers::Flags;
pub(crate) use buffers::{Forward, ForwardLaunch, aux_time};
pub(crate) use phases::Phase;

/// The states of all time steps, and the values for backward, which are empty unless requested.
#[derive(Clone, Debug)]
pub struct ScanOutput {
    /// `[T, B, P]`, `[T, B, H]`
    pub states: Buffer,
    /// The values that the cell saves, in the dtype of the input projection.
    pub saved: Buffer,
    /// Auxiliary values that some options need in backward.
    pub kept: Buffer,
}

/// One phase of one step.
#[cube(launch_unchecked)]
pub(crate) fn phase_kernel<N: Float, C: Pointwise>(
    mut b: Forward<N>,
    step: usize,
    #[comptime] phase: Phase,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = first_row(CUBE_POS_Y as usize, b.first_reverse_row, comptime!(tile.rows));
    phases::run::<N, C>(&mut b, &mut scratch, step, row, CUBE_POS_X as usize, CUBE_COUNT_X as usize, phase, tile);
}

/// Steps `first..end` of the scan of the rows of a cube.
#[cube(launch_unchecked)]
pub(crate) fn resident_kernel<N: Float, C: Pointwise>(
    mut b: Forward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let row = first_row(CUBE_POS_X as usize, b.first_reverse_row, comptime!(tile.rows));
    let phases = comptime!(Phase::sequence(C::CANDIDATE_GATES > 0, b.flags));
    for step in first..end {
        #[unroll]
        for n in 0..comptime!(phases.len()) {
            phases::run::<N, C>(
                &mut b,
                &mut scratch,
                step,
                row,
                0usize.runtime(),
                1usize.runtime(),
                comptime!(phases[n]),
                tile,
            );
            sync_storage();
        }
    }
}

/// The buffers and options of all launches of a scan.
struct Args<'a> {
    scan: ScanArgs<'a>,
    input: &'a Buffer,
    weights: Buffer,
    projection: Option<Buffer>,
    into: ScanOutput,
    aux: AuxLayout,
    flags: Flags,
}

impl Args<'_> {
    fn launch_args<N: Float>(&self) -> ForwardLaunch<N> {
        let Self { scan, input, weights, projection, into, aux, flags } = self;
        let Sequences { time, batch, hidden, output, ref lengths, .. } = *scan.sequences;
        let operands = scan.operands;
        let (rates, masks) = operands.zoneout();
        ForwardLaunch::new(
            input.arg(),
            weights.vec4_arg(),
            Buffer::optional_arg(operands.bias.as_ref()),
            operands.state.arg(),
            Buffer::optional_arg(lengths.as_ref()),
            Buffer::optional_arg(operands.dropout.as_ref()),
            Buffer::optional_arg(masks),
            projection.as_ref().map(Buffer::vec4_arg).into(),
            Buffer::optional_arg(operands.gain.as_ref()),
            into.states.arg(),
            into.saved.arg(),
            into.kept.arg(),
            aux.unprojected.unwrap_or(0),
            aux.products.unwrap_or(0),
            aux.statistics.unwrap_or(0),
            aux.candidate_input.unwrap_or(0),
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

/// The forward scan of a cell with a recurrent product.
pub(crate) fn scan_forward<C: Pointwise>(scan: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
    let ScanArgs { client, sequences, operands, .. } = scan;
    let options = operands.options();
    let Sequences { time, hidden, output, .. } = *sequences;
    let spec = CellSpec::new::<C>();
    let aux = AuxLayout::new(spec, sequences, options, saves);
    let flags = Flags {
        saves,
        stores_unprojected: aux.unprojected.is_some(),
        rates: operands.zoneout().0.is_some(),
        projection: options.projection,
        norm: options.norm,
        bidirectional: sequences.direction == Direction::Bidirectional,
    };
    let (weights, directions) = (operands.recurrent_weights(), sequences.num_directions());
    let columns = C::GATES * hidden;
    let packing = Packing { offset: 0, columns, column_stride: output, len: output, stride: 1 };
    let weights = pack(client, weights, directions, packing);
    let projection = operands.projection.as_ref().map(|projection| {
        let packing = Packing { offset: 0, columns: output, column_stride: hidden, len: hidden, stride: 1 };
        pack(client, projection, directions, packing)
    });
    let (dtype, saved) = (input.number(), if saves { sequences.saved_len(spec) } else { 0 });
    let into = ScanOutput {
        states: Buffer::empty(client, sequences.state_len(C::STATES, time)),
        saved: Buffer::empty_as(client, saved, dtype),
        kept: Buffer::empty(client, aux.len),
    };
    let args = Args { scan, input, weights, projection, into, aux, flags };
    let mut plan = Plan::new(scan, C::GATES, true);
    let mut counters = None;
    if plan.driver == Driver::Persistent {
        counters = persistent::launch::<C>(&args, plan);
        plan = Plan::new(scan, C::GATES, counters.is_some());
    }
    let (phases, dtype) = (Phase::sequence(C::CANDIDATE_GATES > 0, flags), dtype.elem());
    let (dim, tile) = (plan.cube_dim(), plan.tile);
    match plan.driver {
        Driver::Persistent => {}
        Driver::Resident => {
            let steps = plan.steps_per_launch(scan, C::GATES, phases.len());
            for first in (0..time).step_by(steps) {
                let (count, end) = (plan.resident_cubes(sequences), time.min(first + steps));
                let b = args.launch_args();
                // SAFETY: `ScanArgs::check` ensures that the buffers have the lengths that the sizes require
                unsafe { resident_kernel::launch_unchecked::<C>(client, count, dim, b, first, end, tile, dtype) }
            }
        }
        Driver::Step => {
            for step in 0..time {
                for &phase in &phases {
                    let count = plan.phase_cubes(phase.column_tiles(hidden, output, tile), sequences);
                    let b = args.launch_args();
                    // SAFETY: as above
                    unsafe { phase_kernel::launch_unchecked::<C>(client, count, dim, b, step, phase, tile, dtype) }
                }
            }
        }
    }
    let ScanOutput { states, saved, kept } = args.into;
    if let Some(counters) = counters {
        poison_if_timed_out(client, &counters, &[&states]);
    }
    ScanOutput { states, saved, kept: if saves { kept } else { Buffer::empty(client, 0) } }
}
