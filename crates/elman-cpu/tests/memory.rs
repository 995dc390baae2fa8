//! The documented formulas for saved values and for the temporary memory of backward, checked with a counting
//! allocator.

mod plain;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, SequenceBatch, WeightDtype, Workspace};
use plain::{Case, Cell, Options, ZoneoutKind};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: forwards to the system allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(address, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of f32 values that `run` allocates.
fn allocated<T>(run: impl FnOnce() -> T) -> usize {
    let before = BYTES.load(Ordering::Relaxed);
    run();
    (BYTES.load(Ordering::Relaxed) - before) / size_of::<f32>()
}

const BATCH: usize = 3;
const HIDDEN: usize = 8;
const OUTPUT: usize = 5;

/// Per unit and time step: gates, states, saved values, whether backward uses the output, whether the gradients with
/// respect to input projection and recurrent product differ, candidate gates.
fn constants(cell: Cell) -> [usize; 6] {
    match cell {
        Cell::RnnTanh | Cell::RnnRelu => [1, 1, 0, 1, 0, 0],
        Cell::Gru => [3, 1, 4, 0, 1, 0],
        Cell::GruResetBefore => [3, 1, 3, 0, 0, 1],
        Cell::Lstm => [4, 2, 4, 0, 0, 0],
        Cell::MinGru => [2, 1, 2, 0, 0, 0],
        Cell::MinLstm => [3, 1, 4, 0, 0, 0],
    }
}

// a single test, so that no other test allocates at the same time
#[test]
fn allocations_match_the_documentation() {
    scans();
    packed_layers();
}

/// The second of two equal calls does not allocate.
fn packed_layers() {
    use Cell::{Gru, GruResetBefore, Lstm, MinGru, MinLstm, RnnRelu, RnnTanh};
    const INPUTS: usize = 6;
    for cell in [RnnTanh, RnnRelu, Gru, GruResetBefore, Lstm, MinGru, MinLstm] {
        let kernel = cell.kernel();
        let (rows, recurrent) = (kernel.gates() * HIDDEN, kernel.recurrent_rows(HIDDEN));
        let ones = vec![1.0; rows * HIDDEN];
        for dtype in WeightDtype::ALL {
            for norm in [None, Some(LayerNorm { gain: &ones[..rows], epsilon: 1.0 })] {
                let weights = LayerWeights {
                    width: INPUTS,
                    hidden: HIDDEN,
                    output: HIDDEN,
                    input: &ones[..rows * INPUTS],
                    input_bias: None,
                    input_norm: norm,
                    recurrent: &ones[..recurrent * HIDDEN],
                    recurrent_bias: None,
                    recurrent_norm: norm.filter(|_| recurrent > 0),
                    projection: None,
                    zoneout: None,
                };
                let layer = PackedLayer::new(kernel.clone(), Isa::best(), dtype, false, weights);
                for time in [1, 9] {
                    let (mut state, mut into) = (vec![0.0; layer.state_len(BATCH)], vec![0.0; time * BATCH * HIDDEN]);
                    let x = vec![1.0; time * BATCH * INPUTS];
                    let sequences = SequenceBatch { time, batch: BATCH, lengths: None, x: &x };
                    let mut workspace = Workspace::default();
                    let mut run = || allocated(|| layer.forward(1, sequences, &mut state, &mut into, &mut workspace));
                    assert!(run() > 0, "the first call allocates the workspace");
                    assert_eq!(run(), 0, "{cell:?} {dtype} {time}");
                }
            }
        }
    }
}

fn scans() {
    use Cell::{Gru, GruResetBefore, Lstm, MinGru, MinLstm, RnnRelu, RnnTanh};
    for cell in [RnnTanh, RnnRelu, Gru, GruResetBefore, Lstm, MinGru, MinLstm] {
        let [gates, states, saved_values, uses_output, separate_grad, candidate_gates] = constants(cell);
        for norm in [false, true] {
            for projection in [None, Some(OUTPUT)] {
                for zoneout in [None, Some(ZoneoutKind::Rates)] {
                    let kernel = cell.kernel();
                    if (norm && !kernel.is_recurrent()) || (projection.is_some() && !kernel.has_projection()) {
                        continue;
                    }
                    let options = Options { projection, norm, dropout: false, zoneout };
                    let measure = |time: usize| {
                        let case = Case::new(cell, [time, BATCH, HIDDEN], false, false, options);
                        let saved = case.forward(Isa::best(), 1, true).1.len();
                        let gradient = vec![1.0; case.forward(Isa::best(), 1, false).0.len()];
                        let forward = allocated(|| case.forward(Isa::best(), 1, true));
                        let backward = allocated(|| case.backward_without_weights(&gradient));
                        [saved, forward, backward]
                    };
                    // the difference of 16 and 8 steps: the memory of 8 steps, without the part that is independent of
                    // time
                    let (long, short) = (measure(16), measure(8));
                    let [saved, forward, backward] = std::array::from_fn(|n| long[n] - short[n]);
                    let (rows, output) = (8 * BATCH, projection.unwrap_or(HIDDEN));
                    let what = format!("{cell:?} {options:?}");

                    let saves_output = usize::from(projection.is_some() || (zoneout.is_some() && uses_output == 1));
                    let norm = usize::from(norm);
                    let expected = rows * HIDDEN * (saved_values + saves_output + norm * gates) + 2 * norm * rows;
                    assert_eq!(saved, expected, "{what}: saved");

                    let all_states = rows * (output + (states - 1) * HIDDEN);
                    assert_eq!(forward, all_states + saved, "{what}: forward allocates only its results");

                    let projected = projection.map_or(0, |output| output);
                    let buffers =
                        rows * ((separate_grad + norm) * gates * HIDDEN + projected + candidate_gates * HIDDEN);
                    // allocated by the test: states and saved values of forward, the copy of the input and its gradient
                    let own = all_states + saved + 2 * rows * gates * HIDDEN;
                    assert_eq!(backward, buffers + own, "{what}: backward");
                }
            }
        }
    }
}
