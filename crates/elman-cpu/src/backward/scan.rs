//! One thread's task of the backward scan: the gradients of the gates, and of the states through them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Backward, Isa, Sequences, Zoneout,
    cell::{Gates, MAX_GATES, MAX_STATES, Pointwise, Step},
    forward::registers,
    layout::SavedLayout,
    multiply::Multiply,
    panels::{Panels, Tiles},
    product::{load_some, store_some},
    threading::{Barrier, SharedPtr, StridedRows},
};

/// The packed weights, transposed.
pub(super) struct TransposedWeights {
    /// The non-candidate gates.
    pub gates: Panels,
    /// The candidate gates.
    pub candidate: Option<Panels>,
    pub projection: Option<Panels>,
}

/// The work of one thread.
pub(super) struct ThreadTask {
    pub rows: Vec<usize>,
    /// Hidden units whose gate gradients it computes.
    pub units: Range<usize>,
    /// Elements of the hidden state whose gradients it computes.
    pub columns: Range<usize>,
    /// Tiles of the non-candidate gates.
    pub tiles: Range<usize>,
    /// Tiles of the candidate gates.
    pub candidate: Range<usize>,
    /// Tiles of the projection.
    pub projection: Range<usize>,
}

/// The buffers that the scan writes. Gradients that are equal share a buffer.
#[derive(Clone, Copy)]
pub(super) struct Buffers {
    /// Gradient with respect to the input projection, `[T, B, G·H]`.
    pub d_input: SharedPtr,
    /// Gradient with respect to the recurrent product including its bias, `[T, B, G·H]`.
    pub d_recurrent: SharedPtr,
    /// Gradient with respect to the recurrent product before layer normalization, `[T, B, G·H]`.
    pub d_product: SharedPtr,
    /// Gradient with respect to the projected hidden state, `[T, B, P]`.
    pub d_projected: SharedPtr,
    /// The recomputed input of the candidate gates' recurrent product, `[T, B, H]`.
    pub candidate_input: SharedPtr,
    /// Gradient with respect to the cell's output, or to the candidate input, `[B, H]`.
    pub d_output: SharedPtr,
    /// Gradient with respect to the hidden state after recurrent dropout, `[B, P]`.
    pub d_dropped_state: SharedPtr,
    /// Gradient with respect to the states before the current step.
    pub d_state: SharedPtr,
}

pub(super) struct Scan<'a, C> {
    pub cell: C,
    pub isa: Isa,
    pub from: Backward<'a>,
    pub layout: SavedLayout,
    pub weights: &'a TransposedWeights,
    pub buffers: Buffers,
    pub task: ThreadTask,
    pub barrier: &'a Barrier,
}

/// The times of a step and of the one before it in the order of the forward scan.
#[derive(Clone, Copy)]
pub(super) struct StepIndex {
    pub t: usize,
    pub prev: Option<usize>,
}

impl<C: Pointwise> WithSimd for Scan<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let sequences = self.from.sequences;
        let (mut active, mut ended) = (Vec::new(), Vec::new());
        for n in (0..sequences.time).rev() {
            let step = StepIndex { t: sequences.time_at(n), prev: sequences.prev_time(n) };
            if n + 1 == sequences.time || sequences.lengths.is_some() {
                sequences.split_active(&self.task.rows, step.t, &mut active, &mut ended);
            }
            // SAFETY: the sizes were checked; each thread has its own rows or its own units, and a barrier separates
            // writes from reads by other threads.
            unsafe {
                if self.weights.projection.is_some() {
                    self.projection_backward(s, step, &active);
                }
                for row in &active {
                    for (unit, count) in registers::<S>(&self.task.units) {
                        self.cell_backward(s, step, *row, unit, count);
                    }
                }
                for row in &ended {
                    self.carry_gradients(step, *row);
                }
                if !C::RECURRENT {
                    continue;
                }
                if self.weights.candidate.is_some() {
                    self.candidate_backward(s, step, &active);
                }
                self.norm_backward(s, step, &active, 0..C::GATES - C::CANDIDATE_GATES);
                self.barrier.wait();
                self.recurrent_backward(s, step, &active);
            }
            self.barrier.wait();
        }
    }
}

impl<C: Pointwise> Scan<'_, C> {
    /// The rows of a time step in a `[T, B, G·H]` buffer, starting at a gate.
    ///
    /// # Safety
    /// Time and gate are within bounds.
    #[inline(always)]
    pub(super) unsafe fn gate_rows(&self, buffer: SharedPtr, step: StepIndex, gate: usize) -> StridedRows {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        // SAFETY: as the caller promises.
        unsafe { StridedRows::at(buffer, (step.t * batch * C::GATES + gate) * hidden, C::GATES * hidden) }
    }

    /// Loads elements of a state before this step.
    ///
    /// # Safety
    /// The `count` elements from `column` are within the row.
    #[inline(always)]
    pub(super) unsafe fn prev_state<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
    ) -> S::f32s {
        let (sequences, from) = (&self.from.sequences, &self.from);
        // SAFETY: as the caller promises.
        unsafe {
            let address = match step.prev {
                Some(t) => from.states.as_ptr().add(sequences.offset(state, sequences.time, t, row)),
                None => from.state.as_ptr().add(sequences.offset(state, 1, 0, row)),
            };
            load_some(s, address.add(column), count)
        }
    }

    /// The gradient with respect to the state that the cell returned, before zoneout. Replaces the gradient in
    /// `d_state` by the part that zoneout passes to the previous state.
    ///
    /// # Safety
    /// The elements are this thread's.
    #[inline(always)]
    unsafe fn take_state_grad<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
    ) -> S::f32s {
        let sequences = &self.from.sequences;
        let offset = sequences.offset(state, sequences.time, step.t, row) + column;
        // SAFETY: as the caller promises.
        unsafe {
            let carried = self.buffers.d_state.at(sequences.offset(state, 1, 0, row) + column);
            let here = load_some(s, self.from.gradient.as_ptr().add(offset), count);
            let total = s.add_f32s(here, load_some(s, carried, count));
            let z = match self.from.variant.zoneout {
                None => {
                    store_some(s, carried, count, s.splat_f32s(0.0));
                    return total;
                }
                Some(Zoneout::Masks(masks)) => load_some(s, masks.as_ptr().add(offset), count),
                Some(Zoneout::Rates(rates)) => s.splat_f32s(rates[state]),
            };
            store_some(s, carried, count, s.mul_f32s(z, total));
            s.negate_mul_add_f32s(z, total, total)
        }
    }

    /// Adds to the gradient with respect to the previous state.
    ///
    /// # Safety
    /// The elements are this thread's.
    #[inline(always)]
    pub(super) unsafe fn add_state_grad<S: Simd>(
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
            let carried = self.buffers.d_state.at(self.from.sequences.offset(state, 1, 0, row) + column);
            store_some(s, carried, count, s.add_f32s(load_some(s, carried, count), value));
        }
    }

    /// Loads the saved values of `count` units.
    ///
    /// # Safety
    /// The units are within the row.
    #[inline(always)]
    pub(super) unsafe fn saved<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        row: usize,
        unit: usize,
        count: usize,
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut saved = [s.splat_f32s(0.0); MAX_GATES];
        for (n, saved) in saved.iter_mut().enumerate().take(C::SAVED) {
            let offset = ((step.t * batch + row) * C::SAVED + n) * hidden + unit;
            // SAFETY: as the caller promises.
            *saved = unsafe { load_some(s, self.from.saved.as_ptr().add(offset), count) };
        }
        saved
    }

    /// The backward pass of the cell for `count` units: the gradients of their gates, and of their states without the
    /// part through the recurrent product.
    ///
    /// # Safety
    /// The units are this thread's.
    #[inline(always)]
    unsafe fn cell_backward<S: Simd>(&self, s: S, step: StepIndex, row: usize, unit: usize, count: usize) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        let zero = s.splat_f32s(0.0);
        let is_projected = self.weights.projection.is_some();
        // SAFETY: as the caller promises.
        unsafe {
            let mut cell_step = Step {
                saved: self.saved(s, step, row, unit, count),
                before: [zero; MAX_STATES],
                output: zero,
                gradient: [zero; MAX_STATES],
            };
            if C::USES_OUTPUT {
                let address = match self.layout.output {
                    Some(start) => self.from.saved.as_ptr().add(start + (step.t * batch + row) * hidden),
                    None => self.from.states.as_ptr().add(self.from.sequences.offset(0, time, step.t, row)),
                };
                cell_step.output = load_some(s, address.add(unit), count);
            }
            for n in 0..C::STATES {
                if n > 0 || C::USES_PREV_HIDDEN {
                    cell_step.before[n] = self.prev_state(s, step, n, row, unit, count);
                }
                cell_step.gradient[n] = if n == 0 && is_projected {
                    load_some(s, self.buffers.d_output.at(row * hidden + unit), count)
                } else {
                    self.take_state_grad(s, step, n, row, unit, count)
                };
            }
            let gradients = self.cell.backward(s, cell_step);
            for gate in 0..C::GATES {
                let to = self.gate_rows(self.buffers.d_input, step, gate).row(row).add(unit);
                store_some(s, to, count, gradients.input[gate]);
                if C::SEPARATE_RECURRENT_GRAD {
                    let to = self.gate_rows(self.buffers.d_recurrent, step, gate).row(row).add(unit);
                    store_some(s, to, count, gradients.recurrent[gate]);
                }
            }
            for n in 0..C::STATES {
                if n > 0 || C::USES_PREV_HIDDEN {
                    self.add_state_grad(s, n, row, unit, count, gradients.state[n]);
                }
            }
        }
    }

    /// Handles a row that has ended: its states were copied, so their gradient passes through, and that of its gates is
    /// zero.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn carry_gradients(&self, step: StepIndex, row: usize) {
        let sequences = &self.from.sequences;
        let Sequences { time, batch, output, .. } = *sequences;
        let ThreadTask { units, columns, .. } = &self.task;
        let buffers = &self.buffers;
        // SAFETY: the units and columns are this thread's.
        unsafe {
            for gate in 0..C::GATES {
                for buffer in [buffers.d_input, buffers.d_recurrent, buffers.d_product] {
                    self.gate_rows(buffer, step, gate).row(row).add(units.start).write_bytes(0, units.len());
                }
            }
            if self.weights.projection.is_some() {
                let address = buffers.d_projected.at((step.t * batch + row) * output + columns.start);
                address.write_bytes(0, columns.len());
            }
            for n in 0..C::STATES {
                let (carried, gradient) = (sequences.offset(n, 1, 0, row), sequences.offset(n, time, step.t, row));
                // divided as in `cell_backward`, or as in `projection_backward`
                for column in if n == 0 && self.weights.projection.is_some() { columns } else { units }.clone() {
                    *buffers.d_state.at(carried + column) += self.from.gradient[gradient + column];
                }
            }
        }
    }

    /// Adds the gradient through the recurrent product to that with respect to the previous hidden state.
    ///
    /// # Safety
    /// The gradients with respect to the product are complete.
    #[inline(always)]
    unsafe fn recurrent_backward<S: Simd>(&self, s: S, step: StepIndex, active: &[usize]) {
        let output = self.from.sequences.output;
        // SAFETY: as the caller promises; the columns are this thread's.
        unsafe {
            let from = self.gate_rows(self.buffers.d_product, step, 0);
            let (panels, tiles) = (&self.weights.gates, Tiles::at(step.t, &self.task.tiles));
            let Some(dropout) = self.from.variant.dropout else {
                let into = StridedRows::at(self.buffers.d_state, 0, output);
                return Multiply { panels, columns: output, tiles, rows: active, from, into, add: true }.run(self.isa);
            };
            let into = StridedRows::at(self.buffers.d_dropped_state, 0, output);
            Multiply { panels, columns: output, tiles, rows: active, from, into, add: false }.run(self.isa);
            for row in active {
                for (column, count) in registers::<S>(&self.task.columns) {
                    let mask = load_some(s, dropout.as_ptr().add(row * output + column), count);
                    let gradient = load_some(s, into.row(*row).add(column), count);
                    self.add_state_grad(s, 0, *row, column, count, s.mul_f32s(gradient, mask));
                }
            }
        }
    }

    /// Computes the gradient with respect to the cell's output from that of the projected hidden state.
    ///
    /// # Safety
    /// The rows are this thread's, or its columns are.
    #[inline(always)]
    unsafe fn projection_backward<S: Simd>(&self, s: S, step: StepIndex, active: &[usize]) {
        let Sequences { batch, hidden, output, .. } = self.from.sequences;
        let Some(panels) = &self.weights.projection else { return };
        // SAFETY: as the caller promises.
        unsafe {
            let from = StridedRows::at(self.buffers.d_projected, step.t * batch * output, output);
            for row in active {
                for (column, count) in registers::<S>(&self.task.columns) {
                    let gradient = self.take_state_grad(s, step, 0, *row, column, count);
                    store_some(s, from.row(*row).add(column), count, gradient);
                }
            }
            self.barrier.wait();
            let into = StridedRows::at(self.buffers.d_output, 0, hidden);
            let tiles = Tiles::at(step.t, &self.task.projection);
            Multiply { panels, columns: hidden, tiles, rows: active, from, into, add: false }.run(self.isa);
            self.barrier.wait();
        }
    }
}
