//! The product of many rows with many panels, in memory: for what no cell acts on at once.

use pulp::{Simd, WithSimd};

use crate::{
    Isa,
    panels::{Group, Panels, Tile, Tiles},
    precision::{Bf16, Encoding, F32, Int8, WeightDtype},
    product::{load_some, product, rows_that_fit, store_some, with_block},
    sequence::blocks,
    team::Slab,
};

/// Registers side by side.
const VECTORS: usize = 3;

/// `into[row] = bias + from[row] · panels`, or `+=` if `add` is set.
pub(crate) struct Multiply<'a> {
    /// Made for the tile of [`PlainTile`].
    pub panels: &'a Panels,
    /// Columns of `into`.
    pub columns: usize,
    /// The tiles that are computed.
    pub tiles: Tiles,
    pub rows: &'a [usize],
    pub from: Slab,
    pub into: Slab,
    pub add: bool,
}

/// The tile of a product without a cell.
pub(crate) struct PlainTile;

impl WithSimd for PlainTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: VECTORS }
    }
}

impl Multiply<'_> {
    /// One function for all cells: a call costs nothing beside a product, and there are many cells.
    ///
    /// # Safety
    /// Every row of `from` has as many numbers as the panels are deep, every row of `into` has the columns, and nobody else
    /// writes to the former, or looks at these rows and tiles of the latter.
    pub unsafe fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match self.panels.precision {
            WeightDtype::F32 => self.all::<S, F32>(s),
            WeightDtype::Bf16 => self.all::<S, Bf16>(s),
            WeightDtype::Int8 => self.all::<S, Int8>(s),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn all<S: Simd, E: Encoding>(&self, s: S) {
        for group in self.tiles.groups(VECTORS, E::GROUP, self.rows.len()) {
            for block in blocks(self.rows, rows_that_fit(S::REGISTER_COUNT, VECTORS)) {
                with_block!(group.count, block.len(), |NT, MR| {
                    // SAFETY: as the caller of `run` promises.
                    unsafe { self.tiles::<S, E, NT, MR>(s, group, block) }
                });
            }
        }
    }

    /// # Safety
    /// As [`run`](Self::run).
    #[inline(always)]
    unsafe fn tiles<S: Simd, E: Encoding, const NT: usize, const MR: usize>(
        &self,
        s: S,
        group: Group,
        block: &[usize],
    ) {
        let mut rows = [std::ptr::null(); MR];
        for (place, row) in rows.iter_mut().zip(block) {
            // SAFETY: as the caller promises.
            *place = unsafe { self.from.row(*row) }.cast_const();
        }
        let mut panels = [std::ptr::null(); NT];
        for (n, place) in panels.iter_mut().enumerate() {
            *place = self.panels.panel(group.tile(n)).as_ptr();
        }
        // SAFETY: the panels were packed for this tile, each row is as long as they are deep.
        let sums = unsafe { product::<S, E, NT, MR, VECTORS>(s, panels, self.panels.depth, rows) };
        for (n, sums) in sums.iter().enumerate() {
            let start = group.tile(n) * VECTORS * S::F32_LANES;
            for (sums, row) in sums.iter().zip(block) {
                for (v, sum) in sums.iter().enumerate() {
                    let column = start + v * S::F32_LANES;
                    if column >= self.columns {
                        break;
                    }
                    let count = (self.columns - column).min(S::F32_LANES);
                    // SAFETY: `count` columns from this one on are of this row.
                    unsafe {
                        let place = self.into.row(*row).add(column);
                        let sum = if self.add { s.add_f32s(load_some(s, place, count), *sum) } else { *sum };
                        store_some(s, place, count, sum);
                    }
                }
            }
        }
    }
}
