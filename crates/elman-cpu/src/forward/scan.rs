//! One thread's task of the forward scan: the recurrent product and the cell, tile by tile.

use std::{
    mem::take,
    ops::{Deref, Range},
};

use pulp::{Simd, WithSimd};

use crate::{
    Forward, Isa, Sequences, Zoneout,
    cell::{Gates, MAX_GATES, MAX_STATES, Pointwise},
    layout::SavedLayout,
    multiply::Multiply,
    panels::Tiles,
    product::{MAX_ROWS, block_rows, load_some, product, store_some, with_block},
    sequence::blocks,
    threading::{Barrier, SharedPtr, StridedRows},
    weight_dtype::{Encoding, F32},
};

use super::{
    scratch::ScratchPtrs,
    weights::{PackedWeights, ThreadTask, tile_vectors},
};

/// The arguments of one thread's scan, without the cell.
pub(crate) struct ScanArgs<'a> {
    pub isa: Isa,
    /// Its weights and projection are not read: `weights` has them packed.
    pub from: Forward<'a>,
    pub weights: &'a PackedWeights,
    pub scratch: ScratchPtrs,
    pub states: SharedPtr,
    pub saved: Option<(SharedPtr, SavedLayout)>,
    pub task: &'a mut ThreadTask,
    pub barrier: &'a Barrier,
}

/// One thread's scan with a cell.
pub(crate) struct Scan<'a, C> {
    pub cell: C,
    pub args: ScanArgs<'a>,
}

impl<'a, C> Deref for Scan<'a, C> {
    type Target = ScanArgs<'a>;

    #[inline(always)]
    fn deref(&self) -> &ScanArgs<'a> {
        &self.args
    }
}

/// A time step.
#[derive(Clone, Copy)]
pub(super) struct StepIndex {
    /// Its index in the order of the scan.
    pub n: usize,
    /// Its time.
    pub t: usize,
    /// The time of the previous step of the scan.
    pub prev: Option<usize>,
}

impl<C: Pointwise> WithSimd for Scan<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match tile_vectors(C::GATES) {
            2 => self.scan::<S, 2>(s),
            3 => self.scan::<S, 3>(s),
            _ => self.scan::<S, 4>(s),
        }
    }
}

impl<C: Pointwise> Scan<'_, C> {
    #[inline(always)]
    fn scan<S: Simd, const NV: usize>(self, s: S) {
        let sequences = self.from.sequences;
        let (mut active, mut ended) = (take(&mut self.args.task.active), take(&mut self.args.task.ended));
        for n in 0..sequences.time {
            let step = StepIndex { n, t: sequences.time_at(n), prev: sequences.prev_time(n) };
            if n == 0 || sequences.lengths.is_some() {
                sequences.split_active(&self.task.rows, step.t, &mut active, &mut ended);
            }
            // SAFETY: the sizes were checked; each thread has its own rows or its own units, and a barrier separates
            // writes from reads by other threads.
            unsafe {
                if self.weights.staged {
                    self.stages(s, step, &active);
                } else {
                    self.tiles::<S, NV>(s, step, &active);
                }
                if self.weights.projection.is_some() {
                    self.project(s, step, &active);
                }
                for row in &ended {
                    self.carry_states(step, *row);
                }
            }
            self.barrier.wait();
        }
        // the next scan of a packed layer reuses their memory
        (self.args.task.active, self.args.task.ended) = (active, ended);
    }

    /// Computes the recurrent product with the cell fused into each tile.
    ///
    /// # Safety
    /// The rows are this thread's, and the previous step is complete.
    #[inline(always)]
    unsafe fn tiles<S: Simd, const NV: usize>(&self, s: S, step: StepIndex, active: &[usize]) {
        let (panels, registers) = (&self.weights.gates, NV / C::GATES);
        // SAFETY: as the caller promises.
        let recurrent_input = unsafe { self.recurrent_input(step) };
        let mut sums = [[s.splat_f32s(0.0); NV]; MAX_ROWS];
        for group in Tiles::at(step.t, &self.task.tiles).groups(NV, F32::GROUP, active.len()) {
            for block in blocks(active, block_rows(S::REGISTER_COUNT, NV)) {
                with_block!(group.count, block.len(), |NT, MR| {
                    let mut rows = [std::ptr::null(); MR];
                    for (address, row) in rows.iter_mut().zip(block) {
                        // SAFETY: the block's rows are within the batch.
                        *address = unsafe { recurrent_input.row(*row) }.cast_const();
                    }
                    let mut addresses = [std::ptr::null(); NT];
                    for (n, address) in addresses.iter_mut().enumerate() {
                        *address = panels.panel(group.tile(n)).as_ptr();
                    }
                    // SAFETY: the panels are packed for this tile, and each row has `depth` values.
                    let found = unsafe { product::<S, F32, NT, MR, NV>(s, addresses, panels.depth, rows) };
                    sums[..NT * MR].copy_from_slice(found.as_flattened());
                });
                // outside of the macro, so that it is compiled once and not for every block size
                for n in 0..group.count {
                    let tile = group.tile(n);
                    for (sums, row) in sums[n * block.len()..].iter().zip(block) {
                        for register in 0..registers {
                            let unit = (tile * registers + register) * S::F32_LANES;
                            if unit >= self.task.units.end {
                                break;
                            }
                            let count = (self.task.units.end - unit).min(S::F32_LANES);
                            let mut recurrent = [s.splat_f32s(0.0); MAX_GATES];
                            recurrent[..C::GATES].copy_from_slice(&sums[register * C::GATES..][..C::GATES]);
                            // SAFETY: the `count` units from `unit` are this thread's.
                            unsafe { self.run_cell(s, step, *row, unit, count, recurrent) };
                        }
                    }
                }
            }
        }
    }

    /// The rows that the recurrent weights are multiplied by: the previous hidden state, after recurrent dropout.
    ///
    /// # Safety
    /// The previous step is complete.
    #[inline(always)]
    pub(super) unsafe fn recurrent_input(&self, step: StepIndex) -> StridedRows {
        let Sequences { time, batch, output, .. } = self.from.sequences;
        // SAFETY: each buffer has `batch` rows of `output` values at this offset.
        unsafe {
            match step.prev {
                _ if self.from.variant.dropout.is_some() => {
                    StridedRows::at(self.scratch.dropped_state, step.n % 2 * batch * output, output)
                }
                Some(t) => StridedRows::at(self.states, self.from.sequences.offset(0, time, t, 0), output),
                None => StridedRows::from_slice(self.from.state, output),
            }
        }
    }

    /// The address of a row of a state before this step.
    ///
    /// # Safety
    /// State and row are within bounds.
    #[inline(always)]
    unsafe fn prev_state(&self, state: usize, step: StepIndex, row: usize) -> *const f32 {
        let sequences = &self.from.sequences;
        // SAFETY: as the caller promises.
        unsafe {
            match step.prev {
                Some(t) => self.states.at(sequences.offset(state, sequences.time, t, row)).cast_const(),
                None => self.from.state.as_ptr().add(sequences.offset(state, 1, 0, row)),
            }
        }
    }

    /// The input projection of `count` units.
    ///
    /// # Safety
    /// The `count` units from `unit` are within the row.
    #[inline(always)]
    pub(super) unsafe fn input<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        row: usize,
        unit: usize,
        count: usize,
    ) -> Gates<S::f32s> {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let mut input = [s.splat_f32s(0.0); MAX_GATES];
        for (gate, input) in input.iter_mut().enumerate().take(C::GATES) {
            let offset = ((step.t * batch + row) * C::GATES + gate) * hidden + unit;
            // SAFETY: as the caller promises.
            *input = unsafe { load_some(s, self.from.input.as_ptr().add(offset), count) };
        }
        input
    }

    /// Runs the cell on `count` units.
    ///
    /// # Safety
    /// The `count` units from `unit` are this thread's, and the previous step is complete.
    #[inline(always)]
    pub(super) unsafe fn run_cell<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        row: usize,
        unit: usize,
        count: usize,
        recurrent: Gates<S::f32s>,
    ) {
        let Sequences { batch, hidden, .. } = self.from.sequences;
        let index = step.t * batch + row;
        // SAFETY: as the caller promises.
        unsafe {
            let input = self.input(s, step, row, unit, count);
            let mut state = [s.splat_f32s(0.0); MAX_STATES];
            for (n, state) in state.iter_mut().enumerate().take(C::STATES) {
                if n > 0 || C::USES_PREV_HIDDEN {
                    *state = load_some(s, self.prev_state(n, step, row).add(unit), count);
                }
            }
            let (next, saved) = self.cell.forward(s, input, recurrent, state);
            if let Some((to, layout)) = self.saved {
                for (n, saved) in saved.iter().enumerate().take(C::SAVED) {
                    store_some(s, to.at((index * C::SAVED + n) * hidden + unit), count, *saved);
                }
                if let Some(output) = layout.output {
                    store_some(s, to.at(output + index * hidden + unit), count, next[0]);
                }
            } else if self.weights.projection.is_some() {
                store_some(s, self.scratch.output.at(row * hidden + unit), count, next[0]);
            }
            for (n, next) in next.iter().enumerate().take(C::STATES) {
                if n > 0 || self.weights.projection.is_none() {
                    self.store_state(s, step, n, row, unit, count, *next);
                }
            }
        }
    }

    /// Stores `count` elements of a state, after zoneout, and the hidden state after recurrent dropout.
    ///
    /// # Safety
    /// The `count` elements from `column` are this thread's, and the previous step is complete.
    #[allow(clippy::too_many_arguments)] // an element of a state has that many coordinates
    #[inline(always)]
    unsafe fn store_state<S: Simd>(
        &self,
        s: S,
        step: StepIndex,
        state: usize,
        row: usize,
        column: usize,
        count: usize,
        value: S::f32s,
    ) {
        let Sequences { time, batch, output, .. } = self.from.sequences;
        let offset = self.from.sequences.offset(state, time, step.t, row) + column;
        // SAFETY: as the caller promises.
        unsafe {
            let value = match self.from.variant.zoneout {
                None => value,
                Some(zoneout) => {
                    let z = match zoneout {
                        Zoneout::Masks(masks) => load_some(s, masks.as_ptr().add(offset), count),
                        Zoneout::Rates(rates) => s.splat_f32s(rates[state]),
                    };
                    let old = load_some(s, self.prev_state(state, step, row).add(column), count);
                    // exactly the old value for z = 1, and the new one for z = 0
                    s.mul_add_f32s(z, old, s.negate_mul_add_f32s(z, value, value))
                }
            };
            store_some(s, self.states.at(offset), count, value);
            if let Some(dropout) = self.from.variant.dropout.filter(|_| state == 0) {
                let mask = load_some(s, dropout.as_ptr().add(row * output + column), count);
                let to = self.scratch.dropped_state.at(((step.n + 1) % 2 * batch + row) * output + column);
                store_some(s, to, count, s.mul_f32s(value, mask));
            }
        }
    }

    /// Computes the hidden state as the projection of the cell's output.
    ///
    /// # Safety
    /// As [`tiles`](Self::tiles).
    #[inline(always)]
    unsafe fn project<S: Simd>(&self, s: S, step: StepIndex, active: &[usize]) {
        let Sequences { time, batch, hidden, output, .. } = self.from.sequences;
        let Some(panels) = &self.weights.projection else { return };
        self.barrier.wait();
        // SAFETY: as the caller promises; the cell's outputs are complete, and the columns are this thread's.
        unsafe {
            let from = match self.saved {
                Some((saved, SavedLayout { output: Some(output), .. })) => {
                    StridedRows::at(saved, output + step.t * batch * hidden, hidden)
                }
                _ => StridedRows::at(self.scratch.output, 0, hidden),
            };
            let into = StridedRows::at(self.states, self.from.sequences.offset(0, time, step.t, 0), output);
            let tiles = Tiles::at(step.t, &self.task.projection);
            Multiply { panels, columns: output, tiles, rows: active, from, into, add: false }.run(self.isa);
            if self.from.variant.zoneout.is_some() || self.from.variant.dropout.is_some() {
                for row in active {
                    for (column, count) in registers::<S>(&self.task.columns) {
                        let value = load_some(s, into.row(*row).add(column), count);
                        self.store_state(s, step, 0, *row, column, count, value);
                    }
                }
            }
        }
    }

    /// Copies the previous states of a row that has ended, and zeroes its saved values.
    ///
    /// # Safety
    /// The row is this thread's, or its units are.
    unsafe fn carry_states(&self, step: StepIndex, row: usize) {
        let sequences = &self.from.sequences;
        let Sequences { time, batch, hidden, output, .. } = *sequences;
        let ThreadTask { units, columns, .. } = &self.task;
        // SAFETY: the units are within the row; source and destination do not overlap.
        unsafe {
            for n in 0..C::STATES {
                let range = if n == 0 { columns } else { units };
                let to = self.states.at(sequences.offset(n, time, step.t, row) + range.start);
                self.prev_state(n, step, row).add(range.start).copy_to_nonoverlapping(to, range.len());
            }
            if self.from.variant.dropout.is_some() {
                let address = |n: usize| self.scratch.dropped_state.at((n % 2 * batch + row) * output + columns.start);
                address(step.n).copy_to_nonoverlapping(address(step.n + 1), columns.len());
            }
            if let Some((saved, layout)) = self.saved {
                let zero = |start: usize| saved.at(start + units.start).write_bytes(0, units.len());
                let index = step.t * batch + row;
                if let Some(output) = layout.output {
                    zero(output + index * hidden);
                }
                if let Some(normalized) = layout.normalized {
                    (0..C::GATES).for_each(|gate| zero(normalized + (index * C::GATES + gate) * hidden));
                }
            }
        }
    }
}

/// Splits a range into registers; yields the start and the number of lanes of each.
pub(crate) fn registers<S: Simd>(range: &Range<usize>) -> impl Iterator<Item = (usize, usize)> + use<S> {
    let end = range.end;
    range.clone().step_by(S::F32_LANES).map(move |start| (start, (end - start).min(S::F32_LANES)))
}
