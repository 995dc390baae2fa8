//! The walk back: the gradients of the gates, and of the states through them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Isa, Kernel,
    cell::{Pointwise, Step, with_cell},
    panels::{Column, Panels, Tile, share},
    product::{load_some, product, rows_that_fit, store_some, with_rows},
    sequence::{Sequences, blocks},
    team::{Barrier, Shared},
};

/// What the walk back reads.
#[derive(Clone, Copy, Debug)]
pub struct Backward<'a> {
    /// Sizes, direction, lengths, as forward had them.
    pub sequences: Sequences<'a>,
    /// The recurrent weights, `[G·H, H]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The initial state, `[STATES, B, H]`.
    pub state: &'a [f32],
    /// The states, `[STATES, T, B, H]`.
    pub states: &'a [f32],
    /// What forward saved, `[T, B, SAVED·H]`.
    pub saved: &'a [f32],
    /// The gradient by the states, `[STATES, T, B, H]`.
    pub gradient: &'a [f32],
}

/// What the walk back writes.
#[derive(Debug)]
pub struct BackwardInto<'a> {
    /// The gradient by the input product, `[T, B, G·H]`.
    pub input: &'a mut [f32],
    /// The gradient by the recurrent product, `[T, B, G·H]`; none if the cell is not [split](Kernel::is_split), for then
    /// it is the same.
    pub recurrent: Option<&'a mut [f32]>,
    /// The gradient by the initial state, `[STATES, B, H]`.
    pub state: &'a mut [f32],
}

/// Walks a batch of sequences back: backpropagation through time (Werbos 1990).
///
/// The gradient by the recurrent weights is left to the caller: it is one matrix product over all time steps,
/// `Σ_t recurrent_tᵀ h_{t−1}`, and that by the recurrent bias a sum.
///
/// # Panics
/// If a slice has another size, or the gradient by the recurrent product is missing where it differs.
pub fn backward(kernel: Kernel, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
    with_cell!(kernel, |cell| walk(cell, isa, threads, from, into));
}

fn walk<C: Pointwise>(cell: C, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
    let Sequences { time, batch, hidden, .. } = from.sequences;
    from.sequences.check();
    let step = batch * hidden;
    assert_eq!(from.weights.len(), C::recurrent_rows(hidden) * hidden, "weights: [G·H, H]");
    assert_eq!(from.state.len(), C::STATES * step, "state: [STATES, B, H]");
    assert_eq!(from.states.len(), C::STATES * time * step, "states: [STATES, T, B, H]");
    assert_eq!(from.saved.len(), C::SAVED * time * step, "saved: [T, B, SAVED·H]");
    assert_eq!(from.gradient.len(), C::STATES * time * step, "gradient: [STATES, T, B, H]");
    assert_eq!(into.input.len(), C::GATES * time * step, "gradient by the input: [T, B, G·H]");
    assert_eq!(into.state.len(), C::STATES * step, "gradient by the state: [STATES, B, H]");
    assert_eq!(into.recurrent.is_some(), C::SPLIT, "gradient by the recurrent product: exactly where it differs");
    if let Some(recurrent) = &into.recurrent {
        assert_eq!(recurrent.len(), C::GATES * time * step, "gradient by the recurrent product: [T, B, G·H]");
    }

    into.state.fill(0.0);
    let tile = isa.run(BackwardTile);
    let column = |panel: usize, vector: usize, lane: usize| {
        let start = panel * tile.width() + vector * tile.lanes + lane;
        (C::RECURRENT && start < hidden).then_some(Column { start, step: hidden, bias: 0 })
    };
    let depth = C::recurrent_rows(hidden);
    let panels = Panels::pack(tile, depth, hidden.div_ceil(tile.width()), from.weights, None, column);
    let input = Shared::new(into.input);
    let recurrent = into.recurrent.map_or(input, Shared::new);
    let state = Shared::new(into.state);
    let plan = C::plan(threads, time, batch, hidden);
    plan.run(|thread, barrier| {
        let (part, parts) = plan.part(thread);
        let registers = share(hidden.div_ceil(tile.lanes), part, parts);
        let units = registers.start * tile.lanes..hidden.min(registers.end * tile.lanes);
        let (rows, tiles) = (plan.rows(thread, batch), panels.share(part, parts));
        isa.run(Walk { cell, from, panels: &panels, input, recurrent, state, rows, units, tiles, barrier });
    });
}

struct BackwardTile;

impl WithSimd for BackwardTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: 3 }
    }
}

/// One thread's part of the walk.
struct Walk<'a, C> {
    cell: C,
    from: Backward<'a>,
    panels: &'a Panels,
    input: Shared,
    recurrent: Shared,
    /// The gradient by the state before the step that is walked.
    state: Shared,
    rows: Range<usize>,
    /// Units whose gates are this thread's.
    units: Range<usize>,
    /// Columns of the product that are this thread's.
    tiles: Range<usize>,
    barrier: &'a Barrier,
}

impl<C: Pointwise> WithSimd for Walk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        const NV: usize = 3;
        let sequences = self.from.sequences;
        let most = rows_that_fit(S::REGISTER_COUNT, NV);
        let (mut active, mut ended) = (Vec::new(), Vec::new());
        for n in (0..sequences.time).rev() {
            let t = sequences.at(n);
            let before = n.checked_sub(1).map(|n| sequences.at(n));
            if n + 1 == sequences.time || sequences.lengths.is_some() {
                sequences.split(self.rows.clone(), t, &mut active, &mut ended);
            }
            for row in &active {
                // SAFETY: the sizes were checked; each thread has its own rows or its own units.
                unsafe { self.gates(s, t, before, *row) };
            }
            for row in &ended {
                // SAFETY: as above.
                unsafe { self.keep(t, *row) };
            }
            if !C::RECURRENT {
                continue;
            }
            self.barrier.wait();
            for tile in self.tiles.clone() {
                for block in blocks(&active, most) {
                    with_rows!(block.len(), |MR, KU| {
                        // SAFETY: as above, and the gates of this step are complete.
                        unsafe { self.tile::<S, MR, NV, KU>(s, t, tile, block) }
                    });
                }
            }
            self.barrier.wait();
        }
    }
}

impl<C: Pointwise> Walk<'_, C> {
    /// The index of a row of a state in the gradient by the state before.
    fn carried(&self, state: usize, row: usize) -> usize {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        (state * batch + row) * hidden
    }

    /// The gradients of a row's gates, and of its state as far as it does not go through them.
    ///
    /// # Safety
    /// Time and row are of these sequences, the row or the units are this thread's.
    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, s: S, t: usize, before: Option<usize>, row: usize) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        let zero = s.splat_f32s(0.0);
        let at = t * batch + row;
        for unit in self.units.clone().step_by(S::F32_LANES) {
            let count = (self.units.end - unit).min(S::F32_LANES);
            let mut step = Step { saved: [zero; 4], before: [zero; 2], after: [zero; 2], gradient: [zero; 2] };
            // SAFETY: `count` units from `unit` on are of this row in every tensor.
            unsafe {
                for n in 0..C::SAVED {
                    let place = (at * C::SAVED + n) * hidden + unit;
                    step.saved[n] = load_some(s, self.from.saved.as_ptr().add(place), count);
                }
                for n in 0..C::STATES {
                    let place = |t: usize| ((n * time + t) * batch + row) * hidden + unit;
                    step.after[n] = load_some(s, self.from.states.as_ptr().add(place(t)), count);
                    step.before[n] = match before {
                        Some(t) => load_some(s, self.from.states.as_ptr().add(place(t)), count),
                        None => load_some(s, self.from.state.as_ptr().add(self.carried(n, row) + unit), count),
                    };
                    let later = load_some(s, self.state.at(self.carried(n, row) + unit), count);
                    let here = load_some(s, self.from.gradient.as_ptr().add(place(t)), count);
                    step.gradient[n] = s.add_f32s(here, later);
                }
                let gradients = self.cell.backward(s, step);
                for gate in 0..C::GATES {
                    let place = (at * C::GATES + gate) * hidden + unit;
                    store_some(s, self.input.at(place), count, gradients.input[gate]);
                    if C::SPLIT {
                        store_some(s, self.recurrent.at(place), count, gradients.recurrent[gate]);
                    }
                }
                for n in 0..C::STATES {
                    store_some(s, self.state.at(self.carried(n, row) + unit), count, gradients.state[n]);
                }
            }
        }
    }

    /// A row that has ended has kept its state: the gradient goes through, that of the gates is zero.
    ///
    /// # Safety
    /// As [`gates`](Self::gates).
    unsafe fn keep(&self, t: usize, row: usize) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        for unit in self.units.clone() {
            // SAFETY: as the caller promises.
            unsafe {
                for gate in 0..C::GATES {
                    let place = ((t * batch + row) * C::GATES + gate) * hidden + unit;
                    *self.input.at(place) = 0.0;
                    *self.recurrent.at(place) = 0.0;
                }
                for n in 0..C::STATES {
                    let place = ((n * time + t) * batch + row) * hidden + unit;
                    *self.state.at(self.carried(n, row) + unit) += self.from.gradient[place];
                }
            }
        }
    }

    /// Adds what goes through the recurrent product to the gradient by the hidden state.
    ///
    /// # Safety
    /// The tile and the rows are this thread's, the gradients of their gates are complete.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const KU: usize>(
        &self,
        s: S,
        t: usize,
        tile: usize,
        block: &[usize],
    ) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut rows = [std::ptr::null(); MR];
        for (place, row) in rows.iter_mut().zip(block) {
            // SAFETY: time and row are of these sequences.
            *place = unsafe { self.recurrent.at((t * batch + row) * C::GATES * hidden) }.cast_const();
        }
        // SAFETY: the panels were packed for this tile, each row has `depth` numbers.
        let sums = unsafe { product::<S, MR, NV, KU>(s, self.panels.panel(tile).as_ptr(), self.panels.depth, rows) };
        let start = tile * NV * S::F32_LANES;
        for (sums, row) in sums.iter().zip(block) {
            for (v, sum) in sums.iter().enumerate() {
                let unit = start + v * S::F32_LANES;
                if unit >= hidden {
                    break;
                }
                let count = (hidden - unit).min(S::F32_LANES);
                // SAFETY: `count` units from `unit` on are of this row.
                unsafe {
                    let place = self.state.at(self.carried(0, *row) + unit);
                    let so_far = load_some(s, place, count);
                    store_some(s, place, count, s.add_f32s(so_far, *sum));
                }
            }
        }
    }
}
