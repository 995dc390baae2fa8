//! The weights in the order in which the walk reads them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Forward, Isa, Sequences,
    cell::Pointwise,
    multiply::PlainTile,
    panels::{Column, Panels, Tile, share},
    team::Plan,
};

pub(crate) struct Weights {
    /// Whether the recurrent product must be complete before the cell acts on it. Else it acts on each tile at once.
    pub staged: bool,
    /// Of the gates that are not late; all gates of some units side by side unless the walk is staged.
    pub early: Panels,
    pub late: Option<Panels>,
    pub projection: Option<Panels>,
}

/// What one thread computes.
pub(crate) struct Part {
    pub rows: Vec<usize>,
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
pub(super) const fn vectors<C: Pointwise>() -> usize {
    if C::GATES > 2 { C::GATES } else { 2 }
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
    pub fn pack<C: Pointwise>(isa: Isa, from: &Forward<'_>) -> Self {
        let Sequences { hidden, output, .. } = from.sequences;
        let plain = isa.run(PlainTile);
        // with layer normalisation the bias comes later
        let bias = from.bias.filter(|_| from.variant.norm.is_none());
        let gates = |start: usize, rows: usize| {
            let column = |row: usize| Column { start: (start + row) * output, step: 1, bias: start + row };
            Panels::plain(plain, output, rows, from.weights, bias, column)
        };
        let staged = C::LATE > 0 || from.variant.norm.is_some();
        let early = (C::GATES - C::LATE) * hidden;
        Self {
            staged,
            early: if staged { gates(0, early) } else { side_by_side::<C>(isa, from) },
            late: (C::LATE > 0).then(|| gates(early, C::LATE * hidden)),
            projection: from.variant.projection.map(|projection| {
                let column = |row: usize| Column { start: row * hidden, step: 1, bias: 0 };
                Panels::plain(plain, hidden, output, projection, None, column)
            }),
        }
    }

    pub fn part<C: Pointwise>(&self, plan: Plan, thread: usize, sequences: &Sequences<'_>) -> Part {
        let Sequences { batch, hidden, output, .. } = *sequences;
        let (part, parts) = plan.part(thread);
        let tiles = self.early.share(part, parts);
        let lanes = self.early.tile.lanes;
        let registers = if self.staged {
            share(hidden.div_ceil(lanes), part, parts)
        } else {
            let registers = self.early.tile.vectors / C::GATES;
            tiles.start * registers..tiles.end * registers
        };
        let units = hidden.min(registers.start * lanes)..hidden.min(registers.end * lanes);
        let of = |panels: &Option<Panels>| panels.as_ref().map_or(0..0, |panels| panels.share(part, parts));
        let (late, projection) = (of(&self.late), of(&self.projection));
        let columns = match &self.projection {
            Some(panels) => panels.columns(&projection, output),
            None => units.clone(),
        };
        Part { rows: plan.rows(thread, batch, sequences.lengths), tiles, late, projection, units, columns }
    }
}

/// A panel has the gates of some units: for each register of units, one register for each gate.
fn side_by_side<C: Pointwise>(isa: Isa, from: &Forward<'_>) -> Panels {
    let Sequences { hidden, output, .. } = from.sequences;
    let tile = isa.run(CellTile(vectors::<C>()));
    let units = tile.width() / C::GATES;
    let column = |panel: usize, vector: usize, lane: usize| {
        let (register, gate) = (vector / C::GATES, vector % C::GATES);
        let unit = panel * units + register * tile.lanes + lane;
        let row = gate * hidden + unit;
        (C::RECURRENT && unit < hidden).then_some(Column { start: row * output, step: 1, bias: row })
    };
    // without a recurrent product the panels are empty, and the sums zero
    let depth = if C::RECURRENT { output } else { 0 };
    Panels::pack(tile, depth, hidden.div_ceil(units), from.weights, from.bias, column)
}
