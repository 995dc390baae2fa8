//! One thread's part of the walk back: the gradients of the gates, and of the states through them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Backward, Isa, Sequences, Zoneout,
    cell::{Gates, MAX_GATES, MAX_STATES, Pointwise, Step},
    forward::registers,
    layout::Layout,
    multiply::Multiply,
    panels::{Panels, Tiles},
    product::{load_some, store_some},
    team::{Barrier, Shared, Slab},
};

/// The weights, turned: each row of them is a column.
pub(super) struct Weights {
    pub early: Panels,
    pub late: Option<Panels>,
    pub projection: Option<Panels>,
}

/// What one thread computes.
pub(super) struct Part {
    pub rows: Vec<usize>,
    /// Hidden units whose gates it has.
    pub units: Range<usize>,
    /// Elements of the hidden state whose gradient it has.
    pub columns: Range<usize>,
    /// Of the products with the early gates' weights, the late ones' and the projection.
    pub tiles: Range<usize>,
    pub late: Range<usize>,
    pub projection: Range<usize>,
}

/// What is written. Gradients by the same thing share a place.
#[derive(Clone, Copy)]
pub(super) struct Buffers {
    /// By the input product, `[T, B, G·H]`.
    pub input: Shared,
    /// By the recurrent product with its bias, `[T, B, G·H]`.
    pub recurrent: Shared,
    /// By the recurrent product before it is normalised, `[T, B, G·H]`.
    pub product: Shared,
    /// By the projected state, `[T, B, P]`.
    pub projected: Shared,
    /// What the late gates' weights were multiplied with, `[T, B, H]`.
    pub late: Shared,
    /// By the cell's output, and by what the late gates' weights were multiplied with, `[B, H]`.
    pub by_output: Shared,
    /// By the hidden state with recurrent dropout, `[B, P]`.
    pub by_fed: Shared,
    /// By the state before the step that is walked.
    pub state: Shared,
}

pub(super) struct Walk<'a, C> {
    pub cell: C,
    pub isa: Isa,
    pub from: Backward<'a>,
    pub layout: Layout,
    pub weights: &'a Weights,
    pub buffers: Buffers,
    pub part: Part,
    pub barrier: &'a Barrier,
}

/// A time step, and the one before it.
#[derive(Clone, Copy)]
pub(super) struct Now {
    pub t: usize,
    pub before: Option<usize>,
}

impl<C: Pointwise> WithSimd for Walk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let sequences = self.from.sequences;
        let (mut active, mut ended) = (Vec::new(), Vec::new());
        for n in (0..sequences.time).rev() {
            let now = Now { t: sequences.at(n), before: sequences.before(n) };
            if n + 1 == sequences.time || sequences.lengths.is_some() {
                sequences.split(&self.part.rows, now.t, &mut active, &mut ended);
            }
            // SAFETY: the sizes were checked; each thread has its own rows or its own units, and all wait for each other
            // before one reads what others have written.
            unsafe {
                if self.weights.projection.is_some() {
                    self.project(s, now, &active);
                }
                for row in &active {
                    for (unit, count) in registers::<S>(&self.part.units) {
                        self.gates(s, now, *row, unit, count);
                    }
                }
                for row in &ended {
                    self.keep(now, *row);
                }
                if !C::RECURRENT {
                    continue;
                }
                if self.weights.late.is_some() {
                    self.late(s, now, &active);
                }
                self.normalise(s, now, &active, 0..C::GATES - C::CANDIDATE_GATES);
                self.barrier.wait();
                self.multiply(s, now, &active);
            }
            self.barrier.wait();
        }
    }
}

impl<C: Pointwise> Walk<'_, C> {
    /// The rows of a gate and the next ones in a `[T, B, G·H]` buffer, at a time.
    ///
    /// # Safety
    /// Time and gate are of these sequences.
    #[inline(always)]
    pub(super) unsafe fn at(&self, buffer: Shared, now: Now, gate: usize) -> Slab {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        // SAFETY: as the caller promises.
        unsafe { Slab::at(buffer, (now.t * batch * C::GATES + gate) * hidden, C::GATES * hidden) }
    }

    /// A state before a step.
    ///
    /// # Safety
    /// `count` elements from `column` on are of this row of this state.
    #[inline(always)]
    pub(super) unsafe fn before<S: Simd>(
        &self,
        s: S,
        now: Now,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
    ) -> S::f32s {
        let (sequences, from) = (&self.from.sequences, &self.from);
        // SAFETY: as the caller promises.
        unsafe {
            let place = match now.before {
                Some(t) => from.states.as_ptr().add(sequences.place(state, sequences.time, t, row)),
                None => from.state.as_ptr().add(sequences.place(state, 1, 0, row)),
            };
            load_some(s, place.add(column), count)
        }
    }

    /// The gradient by what the step made of some elements of a state. What zoneout let through to the state before is added
    /// there, in the place of what came from later steps.
    ///
    /// # Safety
    /// The elements are this thread's.
    #[inline(always)]
    unsafe fn pull<S: Simd>(&self, s: S, now: Now, state: usize, row: usize, column: usize, count: usize) -> S::f32s {
        let sequences = &self.from.sequences;
        let place = sequences.place(state, sequences.time, now.t, row) + column;
        // SAFETY: as the caller promises.
        unsafe {
            let carried = self.buffers.state.at(sequences.place(state, 1, 0, row) + column);
            let here = load_some(s, self.from.gradient.as_ptr().add(place), count);
            let total = s.add_f32s(here, load_some(s, carried, count));
            let z = match self.from.variant.zoneout {
                None => {
                    store_some(s, carried, count, s.splat_f32s(0.0));
                    return total;
                }
                Some(Zoneout::Masks(masks)) => load_some(s, masks.as_ptr().add(place), count),
                Some(Zoneout::Rates(rates)) => s.splat_f32s(rates[state]),
            };
            store_some(s, carried, count, s.mul_f32s(z, total));
            s.negate_mul_add_f32s(z, total, total)
        }
    }

    /// Adds to the gradient by some elements of the state before.
    ///
    /// # Safety
    /// The elements are this thread's.
    #[inline(always)]
    pub(super) unsafe fn push<S: Simd>(
        &self,
        s: S,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
        value: S::f32s,
    ) {
        // SAFETY: as the caller promises.
        unsafe {
            let carried = self.buffers.state.at(self.from.sequences.place(state, 1, 0, row) + column);
            store_some(s, carried, count, s.add_f32s(load_some(s, carried, count), value));
        }
    }

    /// What forward saved of some units.
    ///
    /// # Safety
    /// The units are of this row.
    #[inline(always)]
    pub(super) unsafe fn saved<S: Simd>(
        &self,
        s: S,
        now: Now,
        row: usize,
        unit: usize,
        count: usize,
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut saved = [s.splat_f32s(0.0); MAX_GATES];
        for (n, saved) in saved.iter_mut().enumerate().take(C::SAVED) {
            let place = ((now.t * batch + row) * C::SAVED + n) * hidden + unit;
            // SAFETY: as the caller promises.
            *saved = unsafe { load_some(s, self.from.saved.as_ptr().add(place), count) };
        }
        saved
    }

    /// The gradients of some units' gates, and of their state as far as it does not go through the recurrent product.
    ///
    /// # Safety
    /// The units are this thread's.
    #[inline(always)]
    unsafe fn gates<S: Simd>(&self, s: S, now: Now, row: usize, unit: usize, count: usize) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        let zero = s.splat_f32s(0.0);
        let is_projected = self.weights.projection.is_some();
        // SAFETY: as the caller promises.
        unsafe {
            let mut step = Step {
                saved: self.saved(s, now, row, unit, count),
                before: [zero; MAX_STATES],
                output: zero,
                gradient: [zero; MAX_STATES],
            };
            if C::USES_OUTPUT {
                let place = match self.layout.output {
                    Some(start) => self.from.saved.as_ptr().add(start + (now.t * batch + row) * hidden),
                    None => self.from.states.as_ptr().add(self.from.sequences.place(0, time, now.t, row)),
                };
                step.output = load_some(s, place.add(unit), count);
            }
            for n in 0..C::STATES {
                if n > 0 || C::USES_PREV_HIDDEN {
                    step.before[n] = self.before(s, now, n, row, unit, count);
                }
                step.gradient[n] = if n == 0 && is_projected {
                    load_some(s, self.buffers.by_output.at(row * hidden + unit), count)
                } else {
                    self.pull(s, now, n, row, unit, count)
                };
            }
            let gradients = self.cell.backward(s, step);
            for gate in 0..C::GATES {
                store_some(s, self.at(self.buffers.input, now, gate).row(row).add(unit), count, gradients.input[gate]);
                if C::SEPARATE_RECURRENT_GRAD {
                    let to = self.at(self.buffers.recurrent, now, gate).row(row).add(unit);
                    store_some(s, to, count, gradients.recurrent[gate]);
                }
            }
            for n in 0..C::STATES {
                if n > 0 || C::USES_PREV_HIDDEN {
                    self.push(s, n, row, unit, count, gradients.state[n]);
                }
            }
        }
    }

    /// A row that has ended has kept its state: the gradient goes through, that of the gates is zero.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn keep(&self, now: Now, row: usize) {
        let sequences = &self.from.sequences;
        let Sequences { time, batch, output, .. } = *sequences;
        let Part { units, columns, .. } = &self.part;
        let buffers = &self.buffers;
        // SAFETY: the units and columns are this thread's.
        unsafe {
            for gate in 0..C::GATES {
                for buffer in [buffers.input, buffers.recurrent, buffers.product] {
                    self.at(buffer, now, gate).row(row).add(units.start).write_bytes(0, units.len());
                }
            }
            if self.weights.projection.is_some() {
                let place = buffers.projected.at((now.t * batch + row) * output + columns.start);
                place.write_bytes(0, columns.len());
            }
            for n in 0..C::STATES {
                let (carried, gradient) = (sequences.place(n, 1, 0, row), sequences.place(n, time, now.t, row));
                // what `gates` pulls is divided as the units are, what `project` pulls as the columns
                for column in if n == 0 && self.weights.projection.is_some() { columns } else { units }.clone() {
                    *buffers.state.at(carried + column) += self.from.gradient[gradient + column];
                }
            }
        }
    }

    /// Adds what goes through the recurrent product to the gradient by the hidden state.
    ///
    /// # Safety
    /// The gradients by the product are complete.
    #[inline(always)]
    unsafe fn multiply<S: Simd>(&self, s: S, now: Now, active: &[usize]) {
        let output = self.from.sequences.output;
        // SAFETY: as the caller promises; the columns are this thread's.
        unsafe {
            let from = self.at(self.buffers.product, now, 0);
            let (panels, tiles) = (&self.weights.early, Tiles::at(now.t, &self.part.tiles));
            let Some(dropout) = self.from.variant.dropout else {
                let into = Slab::at(self.buffers.state, 0, output);
                return Multiply { panels, columns: output, tiles, rows: active, from, into, add: true }.run(self.isa);
            };
            let into = Slab::at(self.buffers.by_fed, 0, output);
            Multiply { panels, columns: output, tiles, rows: active, from, into, add: false }.run(self.isa);
            for row in active {
                for (column, count) in registers::<S>(&self.part.columns) {
                    let mask = load_some(s, dropout.as_ptr().add(row * output + column), count);
                    let by = load_some(s, into.row(*row).add(column), count);
                    self.push(s, 0, *row, column, count, s.mul_f32s(by, mask));
                }
            }
        }
    }

    /// The gradient by the cell's output through the projection.
    ///
    /// # Safety
    /// The rows are this thread's, or its columns are.
    #[inline(always)]
    unsafe fn project<S: Simd>(&self, s: S, now: Now, active: &[usize]) {
        let Sequences { batch, hidden, output, .. } = self.from.sequences;
        let Some(panels) = &self.weights.projection else { return };
        // SAFETY: as the caller promises.
        unsafe {
            let from = Slab::at(self.buffers.projected, now.t * batch * output, output);
            for row in active {
                for (column, count) in registers::<S>(&self.part.columns) {
                    let by = self.pull(s, now, 0, *row, column, count);
                    store_some(s, from.row(*row).add(column), count, by);
                }
            }
            self.barrier.wait();
            let (into, tiles) = (Slab::at(self.buffers.by_output, 0, hidden), Tiles::at(now.t, &self.part.projection));
            Multiply { panels, columns: hidden, tiles, rows: active, from, into, add: false }.run(self.isa);
            self.barrier.wait();
        }
    }
}
