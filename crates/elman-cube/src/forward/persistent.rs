//! The forward scan of the persistent driver.

use cubecl::{ir::ElemType, prelude::*};

use super::{
    Args, Phase,
    buffers::Forward,
    units::{cell_step, with_bias},
};
use crate::{
    Buffer, Plan, Sequences,
    cell::{MAX_GATES, Pointwise},
    indexing::{direction_of, first_row, read_or, row_end, step_index},
    persistent::{GridBarrier, PersistentScan, grid_sync, sync_state},
    product::{Source, Tile, TileCoords, product, scratch, sum},
};

/// The buffers of the scan, and those through which cubes communicate.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct PersistentForward<N: Float> {
    pub scan: Forward<N>,
    /// The bits of the hidden state before and after the current step, alternating: `[2, B, P]`. Everything else that a
    /// thread reads it wrote itself.
    pub hidden_bits: Box<[Atomic<u32>]>,
    pub barrier: GridBarrier,
}

/// The hidden state before a step, written by any cube, times the mask of recurrent dropout.
struct ExchangedHidden;

#[cube]
impl<N: Float> Source<PersistentForward<N>> for ExchangedHidden {
    fn read(b: &PersistentForward<N>, step: usize, row: usize, unit: usize) -> f32 {
        let offset = row * b.scan.output + unit;
        let value = if step == 0 {
            b.scan.initial[offset]
        } else {
            f32::reinterpret(b.hidden_bits[step % 2 * b.scan.batch * b.scan.output + offset].load())
        };
        value * read_or(&b.scan.dropout, offset, 1.0f32.runtime())
    }
}

/// Steps `first..end` of the scan of all rows, with a grid barrier before each step and one at the end.
#[cube(launch_unchecked)]
pub(crate) fn persistent_kernel<N: Float, C: Pointwise>(
    mut b: PersistentForward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(comptime!(C::GATES), tile);
    let mut sync = sync_state();
    let row = first_row(CUBE_POS_Y as usize, b.scan.first_reverse_row, comptime!(tile.rows));
    let row_end = row_end(row, b.scan.first_reverse_row, b.scan.batch);
    let direction = direction_of(row, b.scan.first_reverse_row, comptime!(b.scan.flags.bidirectional));
    let tiles = b.scan.hidden.div_ceil(comptime!(tile.threads));
    let first_round = b.barrier.trial_rounds;
    let last_round = first_round + end - first;
    let mut round = 0usize;
    let mut complete = true.runtime();
    while complete && round <= last_round {
        complete = grid_sync(&b.barrier, &mut sync, &mut scratch);
        let mut n = if complete && round >= first_round && round < last_round { CUBE_POS_X as usize } else { tiles };
        while n < tiles {
            let step = first + round - first_round;
            let unit = n * comptime!(tile.threads) + UNIT_POS_X as usize;
            let coords = TileCoords {
                step,
                row,
                row_end,
                direction,
                column: unit,
                column_stride: b.scan.hidden,
                columns: comptime!(C::GATES) * b.scan.hidden,
                len: b.scan.output,
                column_vecs: b.scan.output.div_ceil(4),
            };
            product::<N, PersistentForward<N>, ExchangedHidden>(
                &b,
                &b.scan.weights,
                coords,
                &mut scratch,
                comptime!(C::GATES),
                tile,
            );
            let mut r = UNIT_POS_Y as usize;
            while unit < b.scan.hidden && r < comptime!(tile.rows) && row + r < row_end {
                let mut recurrent = Array::<f32>::new(MAX_GATES);
                #[unroll]
                for g in 0..comptime!(C::GATES) {
                    let sum = sum(&scratch, r, g, comptime!(C::GATES), tile);
                    recurrent[g] = with_bias::<N, C>(&b.scan, sum, row, g * b.scan.hidden + unit);
                }
                cell_step::<N, C>(&mut b.scan, step, row + r, unit, &recurrent);
                publish_hidden::<N>(&b, step, row + r, unit);
                r += comptime!(tile.split);
            }
            n += CUBE_COUNT_X as usize;
        }
        round += 1;
    }
}

/// Makes the hidden state of a unit after a step available to the other cubes.
#[cube]
fn publish_hidden<N: Float>(b: &PersistentForward<N>, step: usize, row: usize, unit: usize) {
    let t = step_index(step, b.scan.time, row >= b.scan.first_reverse_row).t;
    let value = b.scan.states[(t * b.scan.batch + row) * b.scan.output + unit];
    let into = ((step + 1) % 2 * b.scan.batch + row) * b.scan.output + unit;
    b.hidden_bits[into].store(u32::reinterpret(value));
}

/// Launches a scan, or nothing if its steps have several phases or the device does not support it. Returns the counters
/// for [`poison_if_timed_out`](crate::persistent::poison_if_timed_out).
pub(super) fn launch<C: Pointwise>(args: &Args<'_>, plan: Plan) -> Option<Buffer> {
    let Args { scan, flags, .. } = *args;
    let dtype = args.input.number();
    let Sequences { time, batch, hidden, output, .. } = *scan.sequences;
    if Phase::sequence(C::CANDIDATE_GATES > 0, flags) != [Phase::Fused] {
        return None;
    }
    let hidden_bits = Buffer::empty(scan.client, 2 * batch * output);
    let persistent = PersistentScan {
        scan,
        plan,
        column_cubes: Phase::Fused.column_tiles(hidden, output, plan.tile),
        kernel: format!("forward {} {flags:?} {dtype:?}", std::any::type_name::<C>()),
    };
    let steps = persistent.steps_per_launch(C::GATES);
    let chunks = (0..time).step_by(steps).map(|first| first..time.min(first + steps));
    persistent.launch_all(chunks.collect(), |count, barrier, chunk| {
        let buffers = PersistentForwardLaunch::new(args.launch_args(), hidden_bits.arg(), barrier);
        // SAFETY: `ScanArgs::check` ensures that the buffers have the lengths that the sizes require; `hidden_bits`
        // holds two hidden states, and there is a counter for each row of cubes
        unsafe {
            persistent_kernel::launch_unchecked::<C>(
                scan.client,
                count,
                plan.cube_dim(),
                buffers,
                chunk.start,
                chunk.end,
                plan.tile,
                dtype.elem(),
            );
        }
    })
}
