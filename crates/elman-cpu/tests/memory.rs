//! The formulas of what is saved and of what backward needs, counted by the allocator.

mod plain;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicUsize, Ordering},
};

use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, SequenceBatch, WeightDtype, Workspace};
use plain::{Besides, Case, Cell, Zoned};

struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, with a count.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Numbers that are allocated while something runs.
fn numbers<T>(run: impl FnOnce() -> T) -> usize {
    let before = BYTES.load(Ordering::Relaxed);
    run();
    (BYTES.load(Ordering::Relaxed) - before) / size_of::<f32>()
}

const BATCH: usize = 3;
const HIDDEN: usize = 8;
const OUTPUT: usize = 5;

/// Per unit and time step: gates, states, what the cell saves, whether it reads its output, whether its gradients by the two
/// products differ, late gates.
fn counts(cell: Cell) -> [usize; 6] {
    match cell {
        Cell::RnnTanh | Cell::RnnRelu => [1, 1, 0, 1, 0, 0],
        Cell::Gru => [3, 1, 4, 0, 1, 0],
        Cell::GruResetBefore => [3, 1, 3, 0, 0, 1],
        Cell::Lstm => [4, 2, 4, 0, 0, 0],
        Cell::MinGru => [2, 1, 2, 0, 0, 0],
        Cell::MinLstm => [3, 1, 4, 0, 0, 0],
    }
}

// one test, so that nothing else allocates meanwhile
#[test]
fn what_is_needed_is_what_the_documentation_says() {
    walks();
    packed_layers();
}

/// A layer that walks as far as the last time makes nothing.
fn packed_layers() {
    use Cell::{Gru, GruResetBefore, Lstm, MinGru, MinLstm, RnnRelu, RnnTanh};
    const INPUTS: usize = 6;
    for cell in [RnnTanh, RnnRelu, Gru, GruResetBefore, Lstm, MinGru, MinLstm] {
        let kernel = cell.kernel();
        let (rows, recurrent) = (kernel.gates() * HIDDEN, kernel.recurrent_rows(HIDDEN));
        let ones = vec![1.0; rows * HIDDEN];
        for precision in WeightDtype::ALL {
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
                let layer = PackedLayer::new(kernel.clone(), Isa::best(), precision, false, weights);
                for time in [1, 9] {
                    let (mut state, mut into) = (vec![0.0; layer.state_len(BATCH)], vec![0.0; time * BATCH * HIDDEN]);
                    let x = vec![1.0; time * BATCH * INPUTS];
                    let steps = SequenceBatch { time, batch: BATCH, lengths: None, x: &x };
                    let mut workspace = Workspace::default();
                    let mut walk = || numbers(|| layer.forward(1, steps, &mut state, &mut into, &mut workspace));
                    assert!(walk() > 0, "the workspace is made");
                    assert_eq!(walk(), 0, "{cell:?} {precision} {time}");
                }
            }
        }
    }
}

fn walks() {
    use Cell::{Gru, GruResetBefore, Lstm, MinGru, MinLstm, RnnRelu, RnnTanh};
    for cell in [RnnTanh, RnnRelu, Gru, GruResetBefore, Lstm, MinGru, MinLstm] {
        let [gates, states, saves, reads, split, late] = counts(cell);
        for norm in [false, true] {
            for projection in [None, Some(OUTPUT)] {
                for zoneout in [None, Some(Zoned::Rates)] {
                    let kernel = cell.kernel();
                    if (norm && !kernel.is_recurrent()) || (projection.is_some() && !kernel.has_projection()) {
                        continue;
                    }
                    let besides = Besides { projection, norm, dropout: false, zoneout };
                    let of = |time: usize| {
                        let case = Case::new(cell, [time, BATCH, HIDDEN], false, false, besides);
                        let saved = case.forward(Isa::best(), 1, true).1.len();
                        let gradient = vec![1.0; case.forward(Isa::best(), 1, false).0.len()];
                        let [walks, back] =
                            [numbers(|| case.forward(Isa::best(), 1, true)), numbers(|| case.walk_back(&gradient))];
                        [saved, walks, back]
                    };
                    // the difference between 16 steps and 8: that of 8 steps, without what does not depend on time
                    let (long, short) = (of(16), of(8));
                    let [saved, forward, backward] = std::array::from_fn(|n| long[n] - short[n]);
                    let (rows, output) = (8 * BATCH, projection.unwrap_or(HIDDEN));
                    let what = format!("{cell:?} {besides:?}");

                    let is_kept = usize::from(projection.is_some() || (zoneout.is_some() && reads == 1));
                    let normal = usize::from(norm);
                    let expected = rows * HIDDEN * (saves + is_kept + normal * gates) + 2 * normal * rows;
                    assert_eq!(saved, expected, "{what}: saved");

                    let all_states = rows * (output + (states - 1) * HIDDEN);
                    assert_eq!(forward, all_states + saved, "{what}: a walk makes nothing but its results");

                    let projected = projection.map_or(0, |output| output);
                    let buffers = rows * ((split + normal) * gates * HIDDEN + projected + late * HIDDEN);
                    // the test's own: states and what is saved once more, and the input's copy and gradient
                    let own = all_states + saved + 2 * rows * gates * HIDDEN;
                    assert_eq!(backward, buffers + own, "{what}: the walk back");
                }
            }
        }
    }
}
