//! A staged time step: the recurrent product is completed before the cell runs.

use pulp::Simd;

use crate::{
    Sequences,
    cell::{Gates, MAX_GATES, Pointwise},
    multiply::Multiply,
    norm::Moments,
    panels::Tiles,
    product::{load_some, store_some},
    threading::StridedRows,
};

use super::scan::{Scan, StepIndex, registers};

impl<C: Pointwise> Scan<'_, C> {
    /// Gates whose recurrent product is that of the hidden state.
    const NON_CANDIDATE_GATES: usize = C::GATES - C::CANDIDATE_GATES;

    /// Computes the recurrent product of all gates, layer normalization, and the cell.
    ///
    /// # Safety
    /// The rows are this thread's, and the previous step is complete.
    #[inline(always)]
    pub(super) unsafe fn stages<S: Simd>(&self, s: S, step: StepIndex, active: &[usize]) {
        let Sequences { hidden, .. } = self.from.sequences;
        let width = C::GATES * hidden;
        // SAFETY: as the caller promises; a barrier separates writes from reads by other threads.
        unsafe {
            let (from, into) = (self.recurrent_input(step), StridedRows::at(self.scratch.gates, 0, width));
            let (tiles, columns) = (Tiles::at(step.t, &self.task.tiles), Self::NON_CANDIDATE_GATES * hidden);
            Multiply { panels: &self.weights.gates, columns, tiles, rows: active, from, into, add: false }
                .run(self.isa);
            self.barrier.wait();
            if let Some(panels) = &self.weights.candidate {
                for row in active {
                    self.candidate_input(s, step, *row);
                }
                self.barrier.wait();
                let into = StridedRows::at(self.scratch.gates, columns, width);
                let from = StridedRows::at(self.scratch.candidate_input, 0, hidden);
                let tiles = Tiles::at(step.t, &self.task.candidate);
                Multiply { panels, columns: C::CANDIDATE_GATES * hidden, tiles, rows: active, from, into, add: false }
                    .run(self.isa);
                self.barrier.wait();
            }
            for row in active {
                let moments = self.moments(s, *row, C::CANDIDATE_GATES > 0);
                self.save_inv_std(step, *row, moments);
                for (unit, count) in registers::<S>(&self.task.units) {
                    let recurrent = self.recurrent_product(s, Some(step), *row, unit, count, moments);
                    self.run_cell(s, step, *row, unit, count, recurrent);
                }
            }
        }
    }

    /// Computes the input of the candidate gates' recurrent product.
    ///
    /// # Safety
    /// The product of the non-candidate gates is complete.
    #[inline(always)]
    unsafe fn candidate_input<S: Simd>(&self, s: S, step: StepIndex, row: usize) {
        let Sequences { hidden, .. } = self.from.sequences;
        // SAFETY: as the caller promises; the units are this thread's.
        unsafe {
            let moments = self.moments(s, row, false);
            for (unit, count) in registers::<S>(&self.task.units) {
                let input = self.input(s, step, row, unit, count);
                let recurrent = self.recurrent_product(s, None, row, unit, count, moments);
                let state = load_some(s, self.recurrent_input(step).row(row).add(unit), count);
                let value = self.cell.candidate_input(s, input, recurrent, state);
                store_some(s, self.scratch.candidate_input.at(row * hidden + unit), count, value);
            }
        }
    }

    /// The moments of a row's non-candidate gates and, if `candidate` is set, of its candidate gates.
    ///
    /// # Safety
    /// The products of these gates are complete.
    #[inline(always)]
    unsafe fn moments<S: Simd>(&self, s: S, row: usize, candidate: bool) -> [Moments; 2] {
        let Some(norm) = &self.from.variant.norm else { return Default::default() };
        let hidden = self.from.sequences.hidden;
        // SAFETY: as the caller promises; no thread writes to the product now.
        let moments = |start: usize, gates: usize| unsafe {
            let product = self.scratch.gates.at((row * C::GATES + start) * hidden);
            Moments::from_row(s, std::slice::from_raw_parts(product, gates * hidden), norm.epsilon)
        };
        let first = moments(0, Self::NON_CANDIDATE_GATES);
        [first, if candidate { moments(Self::NON_CANDIDATE_GATES, C::CANDIDATE_GATES) } else { Moments::default() }]
    }

    /// Saves the inverse standard deviations. One thread writes for all.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn save_inv_std(&self, step: StepIndex, row: usize, moments: [Moments; 2]) {
        let inv_std = self.saved.and_then(|(saved, layout)| Some((saved, layout.inv_std?)));
        if let Some((saved, start)) = inv_std.filter(|_| self.task.units.start == 0) {
            for (n, moments) in moments.iter().enumerate() {
                let offset = start + (step.t * self.from.sequences.batch + row) * 2 + n;
                // SAFETY: as the caller promises.
                unsafe { *saved.at(offset) = moments.inv_std };
            }
        }
    }

    /// The recurrent product of `count` units, with layer normalization if that is enabled. Saves the normalized values
    /// if a step is given.
    ///
    /// # Safety
    /// The product is complete.
    #[inline(always)]
    unsafe fn recurrent_product<S: Simd>(
        &self,
        s: S,
        save: Option<StepIndex>,
        row: usize,
        unit: usize,
        count: usize,
        moments: [Moments; 2],
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut recurrent = [s.splat_f32s(0.0); MAX_GATES];
        for (gate, value) in recurrent.iter_mut().enumerate().take(C::GATES) {
            let column = gate * hidden + unit;
            // SAFETY: as the caller promises; the `count` units from `unit` are this thread's.
            unsafe {
                *value = load_some(s, self.scratch.gates.at(row * C::GATES * hidden + column), count);
                let Some(norm) = &self.from.variant.norm else { continue };
                let Moments { mean, inv_std } = moments[usize::from(gate >= Self::NON_CANDIDATE_GATES)];
                let normalized = s.mul_f32s(s.sub_f32s(*value, s.splat_f32s(mean)), s.splat_f32s(inv_std));
                let start = self.saved.and_then(|(saved, layout)| Some((saved, layout.normalized?, save?)));
                if let Some((saved, start, step)) = start {
                    let offset = start + (step.t * batch + row) * C::GATES * hidden + column;
                    store_some(s, saved.at(offset), count, normalized);
                }
                let bias = match self.from.bias {
                    Some(bias) => load_some(s, bias.as_ptr().add(column), count),
                    None => s.splat_f32s(0.0),
                };
                *value = s.mul_add_f32s(normalized, load_some(s, norm.gain.as_ptr().add(column), count), bias);
            }
        }
        recurrent
    }
}
