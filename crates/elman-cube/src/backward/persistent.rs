//! The backward scan of the persistent driver.

use cubecl::{ir::ElemType, prelude::*};

use super::{
    Args, Phase,
    buffers::{Backward, d_recurrent},
    phases::apply_sum,
};
use crate::{
    Buffer, Plan, Sequences,
    cell::Pointwise,
    driver::COLUMNS_PER_THREAD,
    indexing::{direction_of, first_row, row_end, step_index},
    persistent::{GridBarrier, PersistentScan, grid_sync, sync_state},
    product::{Source, Tile, TileCoords, product, scratch, sum},
};

/// The buffers of the scan, and those through which cubes communicate.
#[derive(CubeType, CubeLaunch)]
pub(crate) struct PersistentBackward<N: Float> {
    pub scan: Backward<N>,
    /// The bits of the gradient with respect to the recurrent product, of the next step and of the current one,
    /// alternating: `[2, B, G, H]`. Everything else that a thread reads it wrote itself.
    pub d_recurrent_bits: Box<[Atomic<u32>]>,
    pub barrier: GridBarrier,
}

/// The gradient with respect to the recurrent product at a step, written by any cube.
struct ExchangedGrad;

#[cube]
impl<N: Float> Source<PersistentBackward<N>> for ExchangedGrad {
    fn read(b: &PersistentBackward<N>, step: usize, row: usize, k: usize) -> f32 {
        let gates = comptime!(b.scan.flags.gates) * b.scan.hidden;
        f32::reinterpret(b.d_recurrent_bits[(step % 2 * b.scan.batch + row) * gates + k].load())
    }
}

/// Steps `first..end` of the scan of all rows, from the last to the first, with a grid barrier before each step and one
/// at the end.
#[cube(launch_unchecked)]
pub(crate) fn persistent_kernel<N: Float, C: Pointwise>(
    mut b: PersistentBackward<N>,
    first: usize,
    end: usize,
    #[comptime] tile: Tile,
    #[define(N)] _dtype: ElemType,
) {
    let mut scratch = scratch(COLUMNS_PER_THREAD, tile);
    let mut sync = sync_state();
    let row = first_row(CUBE_POS_Y as usize, b.scan.first_reverse_row, comptime!(tile.rows));
    let row_end = row_end(row, b.scan.first_reverse_row, b.scan.batch);
    let direction = direction_of(row, b.scan.first_reverse_row, comptime!(b.scan.flags.bidirectional));
    let width = comptime!(tile.threads * COLUMNS_PER_THREAD);
    let columns = b.scan.output;
    let tiles = columns.div_ceil(width);
    let full = comptime!(b.scan.flags.gates) * b.scan.hidden;
    let first_round = b.barrier.trial_rounds;
    let last_round = first_round + end - first;
    let mut round = 0usize;
    let mut complete = true.runtime();
    while complete && round <= last_round {
        complete = grid_sync(&b.barrier, &mut sync, &mut scratch);
        let mut n = if complete && round >= first_round && round < last_round { CUBE_POS_X as usize } else { tiles };
        while n < tiles {
            let step = end - 1 - (round - first_round);
            let column = n * width + UNIT_POS_X as usize;
            let column_stride = comptime!(tile.threads).runtime();
            let len = if step + 1 == b.scan.time { 0usize } else { full };
            let column_vecs = full.div_ceil(4);
            let coords = TileCoords {
                step: step + 1,
                row,
                row_end,
                direction,
                column,
                column_stride,
                columns,
                len,
                column_vecs,
            };
            product::<N, PersistentBackward<N>, ExchangedGrad>(
                &b,
                &b.scan.weights,
                coords,
                &mut scratch,
                COLUMNS_PER_THREAD,
                tile,
            );
            let mut r = UNIT_POS_Y as usize;
            while r < comptime!(tile.rows) && row + r < row_end {
                for j in 0..COLUMNS_PER_THREAD {
                    let unit = column + j * comptime!(tile.threads);
                    if unit < columns {
                        let sum = sum(&scratch, r, j, COLUMNS_PER_THREAD, tile);
                        apply_sum::<N, C>(&mut b.scan, step, row + r, unit, sum, Phase::Fused);
                        publish_grad::<N, C>(&b, step, row + r, unit);
                    }
                }
                r += comptime!(tile.split);
            }
            n += CUBE_COUNT_X as usize;
        }
        round += 1;
    }
}

/// Makes the gradient with respect to the recurrent product of a unit at a step available to the other cubes.
#[cube]
fn publish_grad<N: Float, C: Pointwise>(b: &PersistentBackward<N>, step: usize, row: usize, unit: usize) {
    let t = step_index(step, b.scan.time, row >= b.scan.first_reverse_row).t;
    let from = (t * b.scan.batch + row) * comptime!(C::GATES);
    let into = (step % 2 * b.scan.batch + row) * comptime!(C::GATES);
    #[unroll]
    for g in 0..comptime!(C::GATES) {
        let value = d_recurrent::<N>(&b.scan, (from + g) * b.scan.hidden + unit);
        b.d_recurrent_bits[(into + g) * b.scan.hidden + unit].store(u32::reinterpret(value));
    }
}

/// Launches a backward scan, or nothing if its steps have several phases or the device does not support it. Returns the
/// counters for [`poison_if_timed_out`](crate::persistent::poison_if_timed_out).
pub(super) fn launch<C: Pointwise>(args: &Args<'_>, plan: Plan) -> Option<Buffer> {
    let Args { scan, flags, .. } = *args;
    let dtype = args.outputs.saved.number();
    let Sequences { time, batch, hidden, output, .. } = *scan.sequences;
    if Phase::sequence(flags) != [Phase::Fused] {
        return None;
    }
    let d_recurrent_bits = Buffer::empty(scan.client, 2 * batch * C::GATES * hidden);
    let persistent = PersistentScan {
        scan,
        plan,
        column_cubes: Phase::Fused.column_tiles(hidden, output, plan.tile),
        kernel: format!("backward {} {flags:?} {dtype:?}", std::any::type_name::<C>()),
    };
    let steps = persistent.steps_per_launch(C::GATES);
    let chunks = (0..time).step_by(steps).map(|first| first..time.min(first + steps)).rev();
    persistent.launch_all(chunks.collect(), |count, barrier, chunk| {
        let buffers = PersistentBackwardLaunch::new(args.launch_args(), d_recurrent_bits.arg(), barrier);
        // SAFETY: `ScanArgs::check` ensures that the buffers have the lengths that the sizes require;
        // `d_recurrent_bits` holds the gates of two steps, and there is a counter for each row of cubes
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
