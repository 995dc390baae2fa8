//! One thread's part of the walk: the recurrent product and the cell, tile by tile.

use std::{
    mem::take,
    ops::{Deref, Range},
};

use pulp::{Simd, WithSimd};

use crate::{
    Forward, Isa, Sequences, Zoneout,
    cell::{Gates, MAX_GATES, MAX_STATES, Pointwise},
    layout::Layout,
    multiply::Multiply,
    panels::Tiles,
    precision::{Encoding, F32},
    product::{MAX_ROWS, load_some, product, rows_that_fit, store_some, with_block},
    sequence::blocks,
    team::{Barrier, Shared, Slab},
};

use super::{
    scratch::Memory,
    weights::{Part, Weights, vectors},
};

/// A thread's part of a walk, for any cell.
pub(crate) struct Walking<'a> {
    pub isa: Isa,
    /// Its weights and its projection are not looked at: they have been packed.
    pub from: Forward<'a>,
    pub weights: &'a Weights,
    pub memory: Memory,
    pub states: Shared,
    pub saved: Option<(Shared, Layout)>,
    pub part: &'a mut Part,
    pub barrier: &'a Barrier,
}

/// The same for one cell.
pub(crate) struct Walk<'a, C> {
    pub cell: C,
    pub walking: Walking<'a>,
}

impl<'a, C> Deref for Walk<'a, C> {
    type Target = Walking<'a>;

    #[inline(always)]
    fn deref(&self) -> &Walking<'a> {
        &self.walking
    }
}

/// A time step.
#[derive(Clone, Copy)]
pub(super) struct Now {
    /// How many were walked before it.
    pub n: usize,
    /// Its time.
    pub t: usize,
    /// The time of the step before it.
    pub before: Option<usize>,
}

impl<C: Pointwise> WithSimd for Walk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match vectors(C::GATES) {
            2 => self.walk::<S, 2>(s),
            3 => self.walk::<S, 3>(s),
            _ => self.walk::<S, 4>(s),
        }
    }
}

impl<C: Pointwise> Walk<'_, C> {
    #[inline(always)]
    fn walk<S: Simd, const NV: usize>(self, s: S) {
        let sequences = self.from.sequences;
        let (mut active, mut ended) = (take(&mut self.walking.part.active), take(&mut self.walking.part.ended));
        for n in 0..sequences.time {
            let now = Now { n, t: sequences.at(n), before: sequences.before(n) };
            if n == 0 || sequences.lengths.is_some() {
                sequences.split(&self.part.rows, now.t, &mut active, &mut ended);
            }
            // SAFETY: the sizes were checked; each thread has its own rows or its own units, and all wait for each other
            // before one reads what others have written.
            unsafe {
                if self.weights.staged {
                    self.stages(s, now, &active);
                } else {
                    self.tiles::<S, NV>(s, now, &active);
                }
                if self.weights.projection.is_some() {
                    self.project(s, now, &active);
                }
                for row in &ended {
                    self.keep(now, *row);
                }
            }
            self.barrier.wait();
        }
        // their memory is used again by who walks on
        (self.walking.part.active, self.walking.part.ended) = (active, ended);
    }

    /// The recurrent product, on each tile of which the cell acts at once.
    ///
    /// # Safety
    /// The rows are this thread's, the step before is complete.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const NV: usize>(&self, s: S, now: Now, active: &[usize]) {
        let (panels, registers) = (&self.weights.early, NV / C::GATES);
        // SAFETY: as the caller promises.
        let fed = unsafe { self.fed(now) };
        let mut sums = [[s.splat_f32s(0.0); NV]; MAX_ROWS];
        for group in Tiles::at(now.t, &self.part.tiles).groups(NV, F32::GROUP, active.len()) {
            for block in blocks(active, rows_that_fit(S::REGISTER_COUNT, NV)) {
                with_block!(group.count, block.len(), |NT, MR| {
                    let mut rows = [std::ptr::null(); MR];
                    for (place, row) in rows.iter_mut().zip(block) {
                        // SAFETY: the block's rows are of the batch.
                        *place = unsafe { fed.row(*row) }.cast_const();
                    }
                    let mut of = [std::ptr::null(); NT];
                    for (n, place) in of.iter_mut().enumerate() {
                        *place = panels.panel(group.tile(n)).as_ptr();
                    }
                    // SAFETY: the panels were packed for this tile, each row is as long as they are deep.
                    let found = unsafe { product::<S, F32, NT, MR, NV>(s, of, panels.depth, rows) };
                    sums[..NT * MR].copy_from_slice(found.as_flattened());
                });
                // outside, so that it is compiled once and not for every number of rows
                for n in 0..group.count {
                    let tile = group.tile(n);
                    for (sums, row) in sums[n * block.len()..].iter().zip(block) {
                        for register in 0..registers {
                            let unit = (tile * registers + register) * S::F32_LANES;
                            if unit >= self.part.units.end {
                                break;
                            }
                            let count = (self.part.units.end - unit).min(S::F32_LANES);
                            let mut recurrent = [s.splat_f32s(0.0); MAX_GATES];
                            recurrent[..C::GATES].copy_from_slice(&sums[register * C::GATES..][..C::GATES]);
                            // SAFETY: `count` units from `unit` on are this thread's.
                            unsafe { self.advance(s, now, *row, unit, count, recurrent) };
                        }
                    }
                }
            }
        }
    }

    /// What the recurrent weights are multiplied with.
    ///
    /// # Safety
    /// The step before is complete.
    #[inline(always)]
    pub(super) unsafe fn fed(&self, now: Now) -> Slab {
        let Sequences { time, batch, output, .. } = self.from.sequences;
        // SAFETY: each place has `batch` rows of `output` numbers.
        unsafe {
            match now.before {
                _ if self.from.variant.dropout.is_some() => {
                    Slab::at(self.memory.fed, now.n % 2 * batch * output, output)
                }
                Some(t) => Slab::at(self.states, self.from.sequences.place(0, time, t, 0), output),
                None => Slab::of(self.from.state, output),
            }
        }
    }

    /// The address of a row of a state before a step.
    ///
    /// # Safety
    /// State and row are of these sequences.
    #[inline(always)]
    unsafe fn before(&self, state: usize, now: Now, row: usize) -> *const f32 {
        let sequences = &self.from.sequences;
        // SAFETY: as the caller promises.
        unsafe {
            match now.before {
                Some(t) => self.states.at(sequences.place(state, sequences.time, t, row)).cast_const(),
                None => self.from.state.as_ptr().add(sequences.place(state, 1, 0, row)),
            }
        }
    }

    /// The input product of some units.
    ///
    /// # Safety
    /// `count` units from `unit` on are of the row.
    #[inline(always)]
    pub(super) unsafe fn input<S: Simd>(
        &self,
        s: S,
        now: Now,
        row: usize,
        unit: usize,
        count: usize,
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut input = [s.splat_f32s(0.0); MAX_GATES];
        for (gate, input) in input.iter_mut().enumerate().take(C::GATES) {
            let place = ((now.t * batch + row) * C::GATES + gate) * hidden + unit;
            // SAFETY: as the caller promises.
            *input = unsafe { load_some(s, self.from.input.as_ptr().add(place), count) };
        }
        input
    }

    /// The cell acts on some units.
    ///
    /// # Safety
    /// `count` units from `unit` on are this thread's, the step before is complete.
    #[inline(always)]
    pub(super) unsafe fn advance<S: Simd>(
        &self,
        s: S,
        now: Now,
        row: usize,
        unit: usize,
        count: usize,
        recurrent: Gates<S::f32s>,
    ) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let at = now.t * batch + row;
        // SAFETY: as the caller promises.
        unsafe {
            let input = self.input(s, now, row, unit, count);
            let mut state = [s.splat_f32s(0.0); MAX_STATES];
            for (n, state) in state.iter_mut().enumerate().take(C::STATES) {
                if n > 0 || C::USES_PREV_HIDDEN {
                    *state = load_some(s, self.before(n, now, row).add(unit), count);
                }
            }
            let (next, saved) = self.cell.forward(s, input, recurrent, state);
            if let Some((to, layout)) = self.saved {
                for (n, saved) in saved.iter().enumerate().take(C::SAVED) {
                    store_some(s, to.at((at * C::SAVED + n) * hidden + unit), count, *saved);
                }
                if let Some(output) = layout.output {
                    store_some(s, to.at(output + at * hidden + unit), count, next[0]);
                }
            } else if self.weights.projection.is_some() {
                store_some(s, self.memory.output.at(row * hidden + unit), count, next[0]);
            }
            for (n, next) in next.iter().enumerate().take(C::STATES) {
                if n > 0 || self.weights.projection.is_none() {
                    self.settle(s, now, n, row, unit, count, *next);
                }
            }
        }
    }

    /// Some elements of a state become known.
    ///
    /// # Safety
    /// `count` elements from `column` on are this thread's, the step before is complete.
    #[allow(clippy::too_many_arguments)] // a place has that many coordinates
    #[inline(always)]
    unsafe fn settle<S: Simd>(
        &self,
        s: S,
        now: Now,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
        value: S::f32s,
    ) {
        let Sequences { time, batch, output, .. } = self.from.sequences;
        let place = self.from.sequences.place(state, time, now.t, row) + column;
        // SAFETY: as the caller promises.
        unsafe {
            let value = match self.from.variant.zoneout {
                None => value,
                Some(zoneout) => {
                    let z = match zoneout {
                        Zoneout::Masks(masks) => load_some(s, masks.as_ptr().add(place), count),
                        Zoneout::Rates(rates) => s.splat_f32s(rates[state]),
                    };
                    let old = load_some(s, self.before(state, now, row).add(column), count);
                    // with z = 1 exactly the old value, with z = 0 the new one
                    s.mul_add_f32s(z, old, s.negate_mul_add_f32s(z, value, value))
                }
            };
            store_some(s, self.states.at(place), count, value);
            if let Some(dropout) = self.from.variant.dropout.filter(|_| state == 0) {
                let mask = load_some(s, dropout.as_ptr().add(row * output + column), count);
                let to = self.memory.fed.at(((now.n + 1) % 2 * batch + row) * output + column);
                store_some(s, to, count, s.mul_f32s(value, mask));
            }
        }
    }

    /// The hidden state as the projection of what the cell gave.
    ///
    /// # Safety
    /// As [`tiles`](Self::tiles).
    #[inline(always)]
    unsafe fn project<S: Simd>(&self, s: S, now: Now, active: &[usize]) {
        let Sequences { time, batch, hidden, output, .. } = self.from.sequences;
        let Some(panels) = &self.weights.projection else { return };
        self.barrier.wait();
        // SAFETY: as the caller promises; the cell's outputs are complete, the columns are this thread's.
        unsafe {
            let from = match self.saved {
                Some((saved, Layout { output: Some(output), .. })) => {
                    Slab::at(saved, output + now.t * batch * hidden, hidden)
                }
                _ => Slab::at(self.memory.output, 0, hidden),
            };
            let into = Slab::at(self.states, self.from.sequences.place(0, time, now.t, 0), output);
            let tiles = Tiles::at(now.t, &self.part.projection);
            Multiply { panels, columns: output, tiles, rows: active, from, into, add: false }.run(self.isa);
            if self.from.variant.zoneout.is_some() || self.from.variant.dropout.is_some() {
                for row in active {
                    for (column, count) in registers::<S>(&self.part.columns) {
                        let value = load_some(s, into.row(*row).add(column), count);
                        self.settle(s, now, 0, *row, column, count, value);
                    }
                }
            }
        }
    }

    /// A row that has ended keeps its state, and what it saves is zero.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn keep(&self, now: Now, row: usize) {
        let sequences = &self.from.sequences;
        let Sequences { time, batch, hidden, output, .. } = *sequences;
        let Part { units, columns, .. } = &self.part;
        // SAFETY: the units are of this row; the places do not overlap.
        unsafe {
            for n in 0..C::STATES {
                let range = if n == 0 { columns } else { units };
                let to = self.states.at(sequences.place(n, time, now.t, row) + range.start);
                self.before(n, now, row).add(range.start).copy_to_nonoverlapping(to, range.len());
            }
            if self.from.variant.dropout.is_some() {
                let place = |n: usize| self.memory.fed.at((n % 2 * batch + row) * output + columns.start);
                place(now.n).copy_to_nonoverlapping(place(now.n + 1), columns.len());
            }
            if let Some((saved, layout)) = self.saved {
                let zero = |start: usize| saved.at(start + units.start).write_bytes(0, units.len());
                let at = now.t * batch + row;
                if let Some(output) = layout.output {
                    zero(output + at * hidden);
                }
                if let Some(normal) = layout.normal {
                    (0..C::GATES).for_each(|gate| zero(normal + (at * C::GATES + gate) * hidden));
                }
            }
        }
    }
}

/// The beginnings of the registers that a range fills, and how much of each.
pub(crate) fn registers<S: Simd>(range: &Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<S> {
    let end = range.end;
    range.clone().step_by(S::F32_LANES).map(move |start| (start, (end - start).min(S::F32_LANES)))
}
