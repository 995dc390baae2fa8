//! Products of rows with packed panels, written to memory: for products that are not fused with a cell.

use pulp::{Simd, WithSimd};

use crate::{
    Isa,
    panels::{Panels, Tile, TileGroup, Tiles},
    product::{block_rows, load_some, product, store_some, with_block},
    sequence::blocks,
    threading::StridedRows,
    weight_dtype::{Bf16, Encoding, F32, Int8, WeightDtype},
};

/// Registers per row of a tile.
const VECTORS: usize = 3;

/// `into[row] = bias + from[row] · panels`, or `+=` if `add` is set.
pub(crate) struct Multiply<'a> {
    /// Packed for the tile of [`PlainTile`].
    pub panels: &'a Panels,
    /// Columns of `into`.
    pub columns: usize,
    /// The tiles to compute.
    pub tiles: Tiles,
    pub rows: &'a [usize],
    pub from: StridedRows,
    pub into: StridedRows,
    pub add: bool,
}

/// The tile of a product that is not fused with a cell.
pub(crate) struct PlainTile;

impl WithSimd for PlainTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: VECTORS }
    }
}

impl Multiply<'_> {
    /// Compiled once for all cells, not inlined into each: the cost of a call is negligible beside a product.
    ///
    /// # Safety
    /// Every row of `from` has `panels.depth` values, and no other thread writes to it. Every row of `into` has
    /// `columns` values, and no other thread accesses these rows and tiles of it.
    pub unsafe fn run(self, isa: Isa) {
        isa.run(self);
    }
}

impl WithSimd for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        match self.panels.dtype {
            WeightDtype::F32 => self.all_tiles::<S, F32>(s),
            WeightDtype::Bf16 => self.all_tiles::<S, Bf16>(s),
            WeightDtype::Int8 => self.all_tiles::<S, Int8>(s),
        }
    }
}

impl Multiply<'_> {
    #[inline(always)]
    fn all_tiles<S: Simd, E: Encoding>(&self, s: S) {
        for group in self.tiles.groups(VECTORS, E::GROUP, self.rows.len()) {
            for block in blocks(self.rows, block_rows(S::REGISTER_COUNT, VECTORS)) {
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
        group: TileGroup,
        block: &[usize],
    ) {
        let mut rows = [std::ptr::null(); MR];
        for (address, row) in rows.iter_mut().zip(block) {
            // SAFETY: as the caller promises.
            *address = unsafe { self.from.row(*row) }.cast_const();
        }
        let mut panels = [std::ptr::null(); NT];
        for (n, address) in panels.iter_mut().enumerate() {
            *address = self.panels.panel(group.tile(n)).as_ptr();
        }
        // SAFETY: the panels are packed for this tile and encoding, and each row has `depth` values.
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
                    // SAFETY: the row has `count` columns starting at `column`.
                    unsafe {
                        let address = self.into.row(*row).add(column);
                        let sum = if self.add { s.add_f32s(load_some(s, address, count), *sum) } else { *sum };
                        store_some(s, address, count, sum);
                    }
                }
            }
        }
    }
}
