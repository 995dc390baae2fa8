//! The weights in the order in which the walk reads them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Isa, Sequences, WeightDtype,
    kernel::Counts,
    multiply::PlainTile,
    panels::{Column, Panels, Tile, share},
    team::Plan,
};

/// What is packed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unpacked<'a> {
    /// `H`
    pub hidden: usize,
    /// `P`
    pub output: usize,
    /// The recurrent weights, `[G·H, P]`.
    pub weights: &'a [f32],
    /// The recurrent bias, `[G·H]`.
    pub bias: Option<&'a [f32]>,
    /// `[P, H]`
    pub projection: Option<&'a [f32]>,
    /// Whether the product is normalised before its bias is added.
    pub is_normalised: bool,
}

pub(crate) struct Weights {
    /// Whether the recurrent product must be complete before the cell acts on it. Else it acts on each tile at once.
    pub staged: bool,
    /// Of the gates that are not late; all gates of some units side by side unless the walk is staged.
    pub early: Panels,
    pub late: Option<Panels>,
    pub projection: Option<Panels>,
}

/// What one thread computes.
#[derive(Default)]
pub(crate) struct Part {
    pub rows: Vec<usize>,
    /// Of the rows, those that are walked at this time step.
    pub active: Vec<usize>,
    /// Of the rows, those that have ended.
    pub ended: Vec<usize>,
    /// Of the early gates' product, and of the others.
    pub tiles: Range<usize>,
    pub late: Range<usize>,
    pub projection: Range<usize>,
    /// Hidden units.
    pub units: Range<usize>,
    /// Outputs.
    pub columns: Range<usize>,
}

/// Registers side by side in a tile that the cell acts on at once.
pub(super) const fn vectors(gates: usize) -> usize {
    if gates > 2 { gates } else { 2 }
}

/// A tile of so many registers.
struct CellTile(usize);

impl WithSimd for CellTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: self.0 }
    }
}

impl Weights {
    /// Weights of another precision than float32 are multiplied before the cell acts, so that there is one such product and
    /// not one for every cell.
    pub fn pack(counts: Counts, isa: Isa, precision: WeightDtype, from: Unpacked<'_>) -> Self {
        let Unpacked { hidden, output, is_normalised, .. } = from;
        let plain = isa.run(PlainTile);
        // with layer normalisation the bias comes later
        let bias = from.bias.filter(|_| !is_normalised);
        let gates = |start: usize, rows: usize| {
            let column = |row: usize| Column { start: (start + row) * output, step: 1, bias: start + row };
            Panels::plain(plain, precision, output, rows, from.weights, bias, column)
        };
        let is_narrow = counts.recurrent && precision != WeightDtype::F32;
        let staged = counts.late > 0 || is_normalised || is_narrow;
        let early = counts.early() * hidden;
        Self {
            staged,
            early: if staged { gates(0, early) } else { side_by_side(counts, isa, &from) },
            late: (counts.late > 0).then(|| gates(early, counts.late * hidden)),
            projection: from.projection.map(|projection| {
                let column = |row: usize| Column { start: row * hidden, step: 1, bias: 0 };
                Panels::plain(plain, precision, hidden, output, projection, None, column)
            }),
        }
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        [Some(&self.early), self.late.as_ref(), self.projection.as_ref()].into_iter().flatten().map(Panels::bytes).sum()
    }

    pub fn part(&self, counts: Counts, plan: Plan, thread: usize, sequences: &Sequences<'_>) -> Part {
        let Sequences { batch, hidden, output, .. } = *sequences;
        let (part, parts) = plan.part(thread);
        let tiles = self.early.share(part, parts);
        let lanes = self.early.tile.lanes;
        let registers = if self.staged {
            share(hidden.div_ceil(lanes), part, parts)
        } else {
            let registers = self.early.tile.vectors / counts.gates;
            tiles.start * registers..tiles.end * registers
        };
        let units = hidden.min(registers.start * lanes)..hidden.min(registers.end * lanes);
        let of = |panels: &Option<Panels>| panels.as_ref().map_or(0..0, |panels| panels.share(part, parts));
        let (late, projection) = (of(&self.late), of(&self.projection));
        let columns = match &self.projection {
            Some(panels) => panels.columns(&projection, output),
            None => units.clone(),
        };
        let rows = plan.rows(thread, batch, sequences.lengths);
        Part { rows, tiles, late, projection, units, columns, ..Part::default() }
    }
}

/// A panel has the gates of some units: for each register of units, one register for each gate.
fn side_by_side(counts: Counts, isa: Isa, from: &Unpacked<'_>) -> Panels {
    let Unpacked { hidden, output, .. } = *from;
    let tile = isa.run(CellTile(vectors(counts.gates)));
    let units = tile.width() / counts.gates;
    let column = |panel: usize, vector: usize, lane: usize| {
        let (register, gate) = (vector / counts.gates, vector % counts.gates);
        let unit = panel * units + register * tile.lanes + lane;
        let row = gate * hidden + unit;
        (counts.recurrent && unit < hidden).then_some(Column { start: row * output, step: 1, bias: row })
    };
    // without a recurrent product the panels are empty, and the sums zero
    let depth = if counts.recurrent { output } else { 0 };
    Panels::pack(tile, depth, hidden.div_ceil(units), from.weights, from.bias, column)
}
