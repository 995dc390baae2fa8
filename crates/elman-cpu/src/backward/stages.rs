//! What lies between the gradients of the gates and the recurrent product: late gates, layer normalisation.

use std::ops::Range;

use pulp::Simd;

use crate::{
    Sequences,
    cell::Pointwise,
    forward::registers,
    multiply::Multiply,
    norm::lost,
    panels::Tiles,
    product::{load_some, store_some},
    team::Slab,
};

use super::walk::{Now, Walk};

impl<C: Pointwise> Walk<'_, C> {
    /// The gradients through what the late gates' weights were multiplied with.
    ///
    /// # Safety
    /// The gates of these units are complete.
    #[inline(always)]
    pub(super) unsafe fn late<S: Simd>(&self, s: S, now: Now, active: &[usize]) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let early = C::GATES - C::CANDIDATE_GATES;
        let Some(panels) = &self.weights.late else { return };
        // SAFETY: as the caller promises; threads meet before one reads what others have written.
        unsafe {
            self.normalise(s, now, active, early..C::GATES);
            self.barrier.wait();
            let (from, tiles) = (self.at(self.buffers.product, now, early), Tiles::at(now.t, &self.part.late));
            let into = Slab::at(self.buffers.by_output, 0, hidden);
            Multiply { panels, columns: hidden, tiles, rows: active, from, into, add: false }.run(self.isa);
            self.barrier.wait();
            for row in active {
                for (unit, count) in registers::<S>(&self.part.units) {
                    let mask = match self.from.variant.dropout {
                        Some(dropout) => load_some(s, dropout.as_ptr().add(row * hidden + unit), count),
                        None => s.splat_f32s(1.0),
                    };
                    let fed = s.mul_f32s(self.before(s, now, 0, *row, unit, count), mask);
                    let by = load_some(s, into.row(*row).add(unit), count);
                    let late = self.cell.late_backward(s, self.saved(s, now, *row, unit, count), fed, by);
                    let to = self.buffers.late.at((now.t * batch + row) * hidden + unit);
                    store_some(s, to, count, late.input);
                    self.push(s, 0, *row, unit, count, s.mul_f32s(late.hidden, mask));
                    let add =
                        |place: *mut f32, by| store_some(s, place, count, s.add_f32s(load_some(s, place, count), by));
                    for (gate, by) in late.gates.iter().enumerate().take(early) {
                        add(self.at(self.buffers.input, now, gate).row(*row).add(unit), *by);
                        if C::SEPARATE_RECURRENT_GRAD {
                            add(self.at(self.buffers.recurrent, now, gate).row(*row).add(unit), *by);
                        }
                    }
                }
            }
        }
    }

    /// The gradient by the product of some gates that were normalised together.
    ///
    /// # Safety
    /// The gradients by these gates of this thread's units are complete.
    #[inline(always)]
    pub(super) unsafe fn normalise<S: Simd>(&self, s: S, now: Now, active: &[usize], gates: Range<usize>) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let (Some(norm), Some(normal), Some(deviation)) =
            (&self.from.variant.norm, self.layout.normal, self.layout.deviation)
        else {
            return;
        };
        self.barrier.wait();
        let (start, width) = (gates.start * hidden, gates.len() * hidden);
        let gain = &norm.gain[start..][..width];
        for row in active {
            let at = now.t * batch + row;
            let normal = &self.from.saved[normal + at * C::GATES * hidden + start..][..width];
            let scale = self.from.saved[deviation + at * 2 + usize::from(gates.start > 0)];
            // SAFETY: all gates are complete; this thread writes its own units only.
            unsafe {
                let by = self.at(self.buffers.recurrent, now, gates.start).row(*row).cast_const();
                let [mean, slope] =
                    lost(s, gain, std::slice::from_raw_parts(by, width), normal).map(|x| s.splat_f32s(x));
                let into = self.at(self.buffers.product, now, gates.start).row(*row);
                for gate in 0..gates.len() {
                    for (unit, count) in registers::<S>(&self.part.units) {
                        let column = gate * hidden + unit;
                        let [gain, normal] = [gain, normal].map(|row| load_some(s, row.as_ptr().add(column), count));
                        let by = s.mul_f32s(load_some(s, by.add(column), count), gain);
                        let off = s.negate_mul_add_f32s(normal, slope, s.sub_f32s(by, mean));
                        store_some(s, into.add(column), count, s.mul_f32s(off, s.splat_f32s(scale)));
                    }
                }
            }
        }
    }
}
