//! The walk forward: the recurrent product and the cell, tile by tile.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Isa, Kernel,
    cell::{Pointwise, with_cell},
    panels::{Column, Panels, Tile},
    product::{load_some, product, rows_that_fit, store_some, with_rows},
    sequence::{Sequences, blocks},
    team::{Barrier, Shared},
};

/// What the walk reads.
#[derive(Clone, Copy, Debug)]
pub struct Forward<'a> {
    /// Sizes, direction, lengths.
    pub sequences: Sequences<'a>,
    /// The input product with its bias, `[T, B, G·H]`.
    pub input: &'a [f32],
    /// The recurrent weights, `[G·H, H]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub weights: &'a [f32],
    /// The recurrent bias, `[G·H]`; empty as the weights.
    pub bias: Option<&'a [f32]>,
    /// The initial state, `[STATES, B, H]`.
    pub state: &'a [f32],
}

/// Walks a batch of sequences: `s_t = cell(input_t, U h_{t-1} + b, s_{t-1})`.
///
/// Writes every state to `states`, `[STATES, T, B, H]`, and what [`backward`](crate::backward()) needs to `saved`,
/// `[T, B, SAVED·H]`, if it is given. A row that has ended keeps its state.
///
/// With the same arguments, number of threads and instruction set the result is the same, bit for bit.
///
/// # Panics
/// If a slice has another size.
pub fn forward(
    kernel: Kernel,
    isa: Isa,
    threads: usize,
    from: Forward<'_>,
    states: &mut [f32],
    saved: Option<&mut [f32]>,
) {
    with_cell!(kernel, |cell| walk(cell, isa, threads, from, states, saved));
}

fn walk<C: Pointwise>(
    cell: C,
    isa: Isa,
    threads: usize,
    from: Forward<'_>,
    states: &mut [f32],
    saved: Option<&mut [f32]>,
) {
    let Sequences { time, batch, hidden, .. } = from.sequences;
    from.sequences.check();
    let step = batch * hidden;
    assert_eq!(from.input.len(), time * step * C::GATES, "input: [T, B, G·H]");
    let recurrent_rows = C::recurrent_rows(hidden);
    assert_eq!(from.weights.len(), recurrent_rows * hidden, "weights: [G·H, H]");
    assert_eq!(from.bias.map_or(recurrent_rows, <[f32]>::len), recurrent_rows, "bias: [G·H]");
    assert_eq!(from.state.len(), C::STATES * step, "state: [STATES, B, H]");
    assert_eq!(states.len(), C::STATES * time * step, "states: [STATES, T, B, H]");
    if let Some(saved) = &saved {
        assert_eq!(saved.len(), C::SAVED * time * step, "saved: [T, B, SAVED·H]");
    }

    let tile = isa.run(ForwardTile(C::GATES));
    let panels = pack::<C>(tile, hidden, from.weights, from.bias);
    let (states, saved) = (Shared::new(states), saved.map(Shared::new));
    let plan = C::plan(threads, time, batch, hidden);
    plan.run(|thread, barrier| {
        let (part, parts) = plan.part(thread);
        let (rows, tiles) = (plan.rows(thread, batch), panels.share(part, parts));
        isa.run(Walk { cell, from, panels: &panels, states, saved, rows, tiles, barrier });
    });
}

/// The tile of a cell with so many gates.
struct ForwardTile(usize);

impl WithSimd for ForwardTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: self.0.max(2) }
    }
}

/// A panel has the gates of some units: for each register of units, one register for each gate.
fn pack<C: Pointwise>(tile: Tile, hidden: usize, weights: &[f32], bias: Option<&[f32]>) -> Panels {
    let units = tile.width() / C::GATES;
    let column = |panel: usize, vector: usize, lane: usize| {
        let (register, gate) = (vector / C::GATES, vector % C::GATES);
        let unit = panel * units + register * tile.lanes + lane;
        let row = gate * hidden + unit;
        (C::RECURRENT && unit < hidden).then_some(Column { start: row * hidden, step: 1, bias: row })
    };
    // without a recurrent product the panels are empty, and the sums zero
    Panels::pack(tile, if C::RECURRENT { hidden } else { 0 }, hidden.div_ceil(units), weights, bias, column)
}

/// One thread's part of the walk.
struct Walk<'a, C> {
    cell: C,
    from: Forward<'a>,
    panels: &'a Panels,
    states: Shared,
    saved: Option<Shared>,
    rows: Range<usize>,
    tiles: Range<usize>,
    barrier: &'a Barrier,
}

impl<C: Pointwise> WithSimd for Walk<'_, C> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match self.panels.tile.vectors {
            2 => self.walk::<S, 2>(s),
            3 => self.walk::<S, 3>(s),
            _ => self.walk::<S, 4>(s),
        }
    }
}

impl<C: Pointwise> Walk<'_, C> {
    #[inline(always)]
    fn walk<S: Simd, const NV: usize>(self, s: S) {
        assert!(NV.is_multiple_of(C::GATES), "a tile has all gates of its units");
        let sequences = self.from.sequences;
        let most = rows_that_fit(S::REGISTER_COUNT, NV);
        let (mut active, mut ended) = (Vec::new(), Vec::new());
        for n in 0..sequences.time {
            let t = sequences.at(n);
            let before = n.checked_sub(1).map(|n| sequences.at(n));
            if n == 0 || sequences.lengths.is_some() {
                sequences.split(self.rows.clone(), t, &mut active, &mut ended);
            }
            for tile in self.tiles.clone() {
                for block in blocks(&active, most) {
                    with_rows!(block.len(), |MR, KU| {
                        // SAFETY: the sizes were checked; each thread has its own rows or its own units.
                        unsafe { self.tile::<S, MR, NV, KU>(s, t, before, tile, block) }
                    });
                }
                for row in &ended {
                    // SAFETY: as above.
                    unsafe { self.keep::<S, NV>(t, before, tile, *row) };
                }
            }
            self.barrier.wait();
        }
    }

    /// The address of a row of a state at a time, at the initial state without one.
    ///
    /// # Safety
    /// State, time and row are of these sequences.
    #[inline(always)]
    unsafe fn state(&self, state: usize, t: Option<usize>, row: usize) -> *const f32 {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        match t {
            // SAFETY: as the caller promises.
            Some(t) => unsafe { self.states.at(((state * time + t) * batch + row) * hidden) },
            // SAFETY: as the caller promises.
            None => unsafe { self.from.state.as_ptr().add((state * batch + row) * hidden) },
        }
    }

    /// The units of a tile.
    fn units<S: Simd, const NV: usize>(&self, tile: usize) -> Range<usize> {
        let units = NV / C::GATES * S::F32_LANES;
        tile * units..self.from.sequences.hidden.min((tile + 1) * units)
    }

    /// One tile of some rows.
    ///
    /// # Safety
    /// The tile and the `MR` rows are this thread's, the states at `before` are complete.
    #[inline(always)]
    unsafe fn tile<S: Simd, const MR: usize, const NV: usize, const KU: usize>(
        &self,
        s: S,
        t: usize,
        before: Option<usize>,
        tile: usize,
        block: &[usize],
    ) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        let mut rows = [std::ptr::null(); MR];
        for (place, row) in rows.iter_mut().zip(block) {
            // SAFETY: the block's rows are of the batch.
            *place = unsafe { self.state(0, before, *row) };
        }
        // SAFETY: the panels were packed for this tile, each row has `hidden` numbers.
        let sums = unsafe { product::<S, MR, NV, KU>(s, self.panels.panel(tile).as_ptr(), self.panels.depth, rows) };
        let units = self.units::<S, NV>(tile);
        let zero = s.splat_f32s(0.0);
        for (sums, row) in sums.iter().zip(block) {
            let at = t * batch + row;
            for register in 0..NV / C::GATES {
                let unit = units.start + register * S::F32_LANES;
                if unit >= units.end {
                    break;
                }
                let count = (units.end - unit).min(S::F32_LANES);
                // SAFETY: `count` units from `unit` on are of this row in every tensor.
                unsafe {
                    let (mut input, mut recurrent, mut state) = ([zero; 4], [zero; 4], [zero; 2]);
                    for gate in 0..C::GATES {
                        let place = (at * C::GATES + gate) * hidden + unit;
                        input[gate] = load_some(s, self.from.input.as_ptr().add(place), count);
                        recurrent[gate] = sums[register * C::GATES + gate];
                    }
                    for (n, state) in state.iter_mut().enumerate().take(C::STATES) {
                        *state = load_some(s, self.state(n, before, *row).add(unit), count);
                    }
                    let (next, saved) = self.cell.forward(s, input, recurrent, state);
                    for (n, next) in next.iter().enumerate().take(C::STATES) {
                        store_some(s, self.states.at(((n * time + t) * batch + row) * hidden + unit), count, *next);
                    }
                    if let Some(to) = self.saved {
                        for (n, saved) in saved.iter().enumerate().take(C::SAVED) {
                            store_some(s, to.at((at * C::SAVED + n) * hidden + unit), count, *saved);
                        }
                    }
                }
            }
        }
    }

    /// A row that has ended keeps its state.
    ///
    /// # Safety
    /// As [`tile`](Self::tile).
    unsafe fn keep<S: Simd, const NV: usize>(&self, t: usize, before: Option<usize>, tile: usize, row: usize) {
        let Sequences { time, batch, hidden, .. } = self.from.sequences;
        let units = self.units::<S, NV>(tile);
        for n in 0..C::STATES {
            // SAFETY: the units are of this row; times differ, so the places do not overlap.
            unsafe {
                let to = self.states.at(((n * time + t) * batch + row) * hidden + units.start);
                self.state(n, before, row).add(units.start).copy_to_nonoverlapping(to, units.len());
            }
        }
    }
}
