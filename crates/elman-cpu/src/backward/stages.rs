//! The backward stages between the gates and the recurrent product: candidate gates and layer normalization.

use std::ops::Range;

use pulp::Simd;

use crate::{
    Sequences,
    cell::Pointwise,
    forward::registers,
    multiply::Multiply,
    norm::layer_norm_grad_means,
    panels::Tiles,
    product::{load_some, store_some},
    threading::StridedRows,
};

use super::scan::{Scan, StepIndex};

impl<C: Pointwise> Scan<'_, C> {
    /// Computes the gradients through the candidate input.
    ///
    /// # Safety
    /// The gate gradients of these units are complete.
    #[inline(always)]
    pub(super) unsafe fn candidate_backward<S: Simd>(&self, s: S, step: StepIndex, active: &[usize]) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let first_candidate = C::GATES - C::CANDIDATE_GATES;
        let Some(panels) = &self.weights.candidate else { return };
        // SAFETY: as the caller promises; a barrier separates writes from reads by other threads.
        unsafe {
            self.norm_backward(s, step, active, first_candidate..C::GATES);
            self.barrier.wait();
            let from = self.gate_rows(self.buffers.d_product, step, first_candidate);
            let tiles = Tiles::at(step.t, &self.task.candidate);
            let into = StridedRows::at(self.buffers.d_output, 0, hidden);
            Multiply { panels, columns: hidden, tiles, rows: active, from, into, add: false }.run(self.isa);
            self.barrier.wait();
            for row in active {
                for (unit, count) in registers::<S>(&self.task.units) {
                    let mask = match self.from.variant.dropout {
                        Some(dropout) => load_some(s, dropout.as_ptr().add(row * hidden + unit), count),
                        None => s.splat_f32s(1.0),
                    };
                    let recurrent_input = s.mul_f32s(self.prev_state(s, step, 0, *row, unit, count), mask);
                    let d_candidate_input = load_some(s, into.row(*row).add(unit), count);
                    let saved = self.saved(s, step, *row, unit, count);
                    let gradients = self.cell.late_backward(s, saved, recurrent_input, d_candidate_input);
                    let to = self.buffers.candidate_input.at((step.t * batch + row) * hidden + unit);
                    store_some(s, to, count, gradients.input);
                    self.add_state_grad(s, 0, *row, unit, count, s.mul_f32s(gradients.hidden, mask));
                    let add = |address: *mut f32, gradient| {
                        store_some(s, address, count, s.add_f32s(load_some(s, address, count), gradient));
                    };
                    for (gate, gradient) in gradients.gates.iter().enumerate().take(first_candidate) {
                        add(self.gate_rows(self.buffers.d_input, step, gate).row(*row).add(unit), *gradient);
                        if C::SEPARATE_RECURRENT_GRAD {
                            add(self.gate_rows(self.buffers.d_recurrent, step, gate).row(*row).add(unit), *gradient);
                        }
                    }
                }
            }
        }
    }

    /// The backward pass of layer normalization for gates that are normalized together: computes the gradient with
    /// respect to their product.
    ///
    /// # Safety
    /// The gradients of these gates of this thread's units are complete.
    #[inline(always)]
    pub(super) unsafe fn norm_backward<S: Simd>(&self, s: S, step: StepIndex, active: &[usize], gates: Range<usize>) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let (Some(norm), Some(normalized), Some(inv_std)) =
            (&self.from.variant.norm, self.layout.normalized, self.layout.inv_std)
        else {
            return;
        };
        self.barrier.wait();
        let (start, width) = (gates.start * hidden, gates.len() * hidden);
        let gain = &norm.gain[start..][..width];
        for row in active {
            let index = step.t * batch + row;
            let normalized = &self.from.saved[normalized + index * C::GATES * hidden + start..][..width];
            let inv_std = self.from.saved[inv_std + index * 2 + usize::from(gates.start > 0)];
            // SAFETY: all gates are complete; this thread writes only its own units.
            unsafe {
                let dy = self.gate_rows(self.buffers.d_recurrent, step, gates.start).row(*row).cast_const();
                let [mean, slope] = layer_norm_grad_means(s, gain, std::slice::from_raw_parts(dy, width), normalized)
                    .map(|x| s.splat_f32s(x));
                let into = self.gate_rows(self.buffers.d_product, step, gates.start).row(*row);
                for gate in 0..gates.len() {
                    for (unit, count) in registers::<S>(&self.task.units) {
                        let column = gate * hidden + unit;
                        let [gain, normalized] =
                            [gain, normalized].map(|row| load_some(s, row.as_ptr().add(column), count));
                        let scaled = s.mul_f32s(load_some(s, dy.add(column), count), gain);
                        let centered = s.negate_mul_add_f32s(normalized, slope, s.sub_f32s(scaled, mean));
                        store_some(s, into.add(column), count, s.mul_f32s(centered, s.splat_f32s(inv_std)));
                    }
                }
            }
        }
    }
}
