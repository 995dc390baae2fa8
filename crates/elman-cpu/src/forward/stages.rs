//! A time step in stages: where the recurrent product must be complete before the cell acts on it.

use pulp::Simd;

use crate::{
    Sequences,
    cell::{Gates, MAX_GATES, Pointwise},
    multiply::Multiply,
    norm::Moments,
    panels::Tiles,
    product::{load_some, store_some},
    team::Slab,
};

use super::walk::{Now, Walk, registers};

impl<C: Pointwise> Walk<'_, C> {
    /// Gates whose recurrent product is that of the hidden state.
    const EARLY: usize = C::GATES - C::CANDIDATE_GATES;

    /// The recurrent product of all gates, layer normalisation, and the cell.
    ///
    /// # Safety
    /// The rows are this thread's, the step before is complete.
    #[inline(always)]
    pub(super) unsafe fn stages<S: Simd>(&self, s: S, now: Now, active: &[usize]) {
        let Sequences { hidden, .. } = self.from.sequences;
        let width = C::GATES * hidden;
        // SAFETY: as the caller promises; threads meet before one reads what others have written.
        unsafe {
            let (from, into) = (self.fed(now), Slab::at(self.memory.gates, 0, width));
            let (tiles, columns) = (Tiles::at(now.t, &self.part.tiles), Self::EARLY * hidden);
            Multiply { panels: &self.weights.early, columns, tiles, rows: active, from, into, add: false }
                .run(self.isa);
            self.barrier.wait();
            if let Some(panels) = &self.weights.late {
                for row in active {
                    self.candidate_input(s, now, *row);
                }
                self.barrier.wait();
                let into = Slab::at(self.memory.gates, columns, width);
                let (from, tiles) = (Slab::at(self.memory.late, 0, hidden), Tiles::at(now.t, &self.part.late));
                Multiply { panels, columns: C::CANDIDATE_GATES * hidden, tiles, rows: active, from, into, add: false }
                    .run(self.isa);
                self.barrier.wait();
            }
            for row in active {
                let moments = self.moments(s, *row, C::CANDIDATE_GATES > 0);
                self.save(now, *row, moments);
                for (unit, count) in registers::<S>(&self.part.units) {
                    let recurrent = self.recurrent(s, Some(now), *row, unit, count, moments);
                    self.advance(s, now, *row, unit, count, recurrent);
                }
            }
        }
    }

    /// What the late gates are multiplied with.
    ///
    /// # Safety
    /// The early gates' product is complete.
    #[inline(always)]
    unsafe fn candidate_input<S: Simd>(&self, s: S, now: Now, row: usize) {
        let Sequences { hidden, .. } = self.from.sequences;
        // SAFETY: as the caller promises; the units are this thread's.
        unsafe {
            let moments = self.moments(s, row, false);
            for (unit, count) in registers::<S>(&self.part.units) {
                let (input, fed) = (self.input(s, now, row, unit, count), self.fed(now).row(row).add(unit));
                let recurrent = self.recurrent(s, None, row, unit, count, moments);
                let late = self.cell.candidate_input(s, input, recurrent, load_some(s, fed, count));
                store_some(s, self.memory.late.at(row * hidden + unit), count, late);
            }
        }
    }

    /// The moments of a row's early and late gates.
    ///
    /// # Safety
    /// The product is complete, that of the late gates where it is asked for.
    #[inline(always)]
    unsafe fn moments<S: Simd>(&self, s: S, row: usize, late: bool) -> [Moments; 2] {
        let Some(norm) = &self.from.variant.norm else { return Default::default() };
        let hidden = self.from.sequences.hidden;
        // SAFETY: as the caller promises, nobody writes there now.
        let of = |start: usize, gates: usize| unsafe {
            let place = self.memory.gates.at((row * C::GATES + start) * hidden);
            Moments::of(s, std::slice::from_raw_parts(place, gates * hidden), norm.epsilon)
        };
        [of(0, Self::EARLY), if late { of(Self::EARLY, C::CANDIDATE_GATES) } else { Moments::default() }]
    }

    /// Saves the deviations, one thread for all.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn save(&self, now: Now, row: usize, moments: [Moments; 2]) {
        let deviation = self.saved.and_then(|(saved, layout)| Some((saved, layout.deviation?)));
        if let Some((saved, start)) = deviation.filter(|_| self.part.units.start == 0) {
            for (n, moments) in moments.iter().enumerate() {
                let place = start + (now.t * self.from.sequences.batch + row) * 2 + n;
                // SAFETY: as the caller promises.
                unsafe { *saved.at(place) = moments.scale };
            }
        }
    }

    /// The recurrent product of some units, normalised where that is asked for, and saved as that with a time.
    ///
    /// # Safety
    /// The product is complete.
    #[inline(always)]
    unsafe fn recurrent<S: Simd>(
        &self,
        s: S,
        save: Option<Now>,
        row: usize,
        unit: usize,
        count: usize,
        moments: [Moments; 2],
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut recurrent = [s.splat_f32s(0.0); MAX_GATES];
        for (gate, value) in recurrent.iter_mut().enumerate().take(C::GATES) {
            let column = gate * hidden + unit;
            // SAFETY: as the caller promises; `count` units from `unit` on are this thread's.
            unsafe {
                *value = load_some(s, self.memory.gates.at(row * C::GATES * hidden + column), count);
                let Some(norm) = &self.from.variant.norm else { continue };
                let Moments { mean, scale } = moments[usize::from(gate >= Self::EARLY)];
                let normal = s.mul_f32s(s.sub_f32s(*value, s.splat_f32s(mean)), s.splat_f32s(scale));
                let start = self.saved.and_then(|(saved, layout)| Some((saved, layout.normal?, save?)));
                if let Some((saved, start, now)) = start {
                    let place = start + (now.t * batch + row) * C::GATES * hidden + column;
                    store_some(s, saved.at(place), count, normal);
                }
                let bias = match self.from.bias {
                    Some(bias) => load_some(s, bias.as_ptr().add(column), count),
                    None => s.splat_f32s(0.0),
                };
                *value = s.mul_add_f32s(normal, load_some(s, norm.gain.as_ptr().add(column), count), bias);
            }
        }
        recurrent
    }
}
