//! Packed weights, in the order in which the product reads them.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use crate::{
    product::header_rows,
    weight_dtype::{Bf16, Encoding, F32, Int8, WeightDtype},
};

/// The size of a tile of columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Lanes of a register.
    pub lanes: usize,
    /// Registers per row of the tile.
    pub vectors: usize,
}

impl Tile {
    /// Columns of a panel.
    pub fn width(self) -> usize {
        self.lanes * self.vectors
    }
}

/// A cache line. The alignment ensures that no register load crosses one.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Fewer lines than this are packed on one thread.
const MIN_PARALLEL_LINES: usize = 1 << 13;

/// Sets the lines to zero and returns their values.
fn zeros(lines: &mut [MaybeUninit<Line>]) -> &mut [f32] {
    lines.fill(MaybeUninit::new(Line([0.0; LINE])));
    // SAFETY: the lines were just written; a line is 16 values without padding, and the slice covers exactly these
    // lines; the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}

/// A matrix `[depth, columns]`, packed as panels of one tile's width. A panel is a row of biases, a row of scales if
/// the dtype has them, and then one row of words for each [`GROUP`](Encoding::GROUP) of depths. Columns beyond the last
/// are zero.
pub(crate) struct Panels {
    lines: Vec<Line>,
    /// Lines per panel.
    stride: usize,
    pub depth: usize,
    pub count: usize,
    pub tile: Tile,
    pub dtype: WeightDtype,
}

/// Offsets of a column in the unpacked matrix.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Offset of the first element.
    pub start: usize,
    /// Stride from one element to the next.
    pub stride: usize,
    /// Index of its bias.
    pub bias: usize,
}

impl Panels {
    /// Packs `count` panels; `column(panel, vector, lane)` is the column at that position, `None` for a zero column.
    pub fn pack(
        tile: Tile,
        depth: usize,
        count: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        column: impl Fn(usize, usize, usize) -> Option<Column> + Sync,
    ) -> Self {
        Self::encode::<F32>(WeightDtype::F32, tile, depth, count, weights, bias, column)
    }

    fn encode<E: Encoding>(
        dtype: WeightDtype,
        tile: Tile,
        depth: usize,
        count: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        column: impl Fn(usize, usize, usize) -> Option<Column> + Sync,
    ) -> Self {
        let width = tile.width();
        let stride = ((header_rows::<E>() + depth.div_ceil(E::GROUP)) * width).div_ceil(LINE);
        let mut lines = Vec::with_capacity(stride * count);
        // the thread that fills a panel touches its memory first
        let fill = |(n, lines): (usize, &mut [MaybeUninit<Line>])| {
            let (header, panel) = zeros(lines).split_at_mut(header_rows::<E>() * width);
            let columns: Vec<(usize, Column)> = (0..width)
                .filter_map(|index| Some((index, column(n, index / tile.lanes, index % tile.lanes)?)))
                .collect();
            for (index, column) in &columns {
                header[*index] = bias.map_or(0.0, |bias| bias[column.bias]);
                if E::SCALED {
                    let all = (0..depth).map(|k| weights[column.start + k * column.stride].abs());
                    header[width + index] = all.fold(0.0, f32::max) / Int8::MAX;
                }
            }
            // row by row, so that writes are contiguous
            for (row, k) in panel.chunks_exact_mut(width).zip((0..depth).step_by(E::GROUP)) {
                for (index, column) in &columns {
                    let scale = if E::SCALED { header[width + index] } else { 1.0 };
                    let encode = |k: usize| E::encode(weights[column.start + k * column.stride], scale);
                    let parts = (k..depth.min(k + E::GROUP)).enumerate();
                    let word = parts.fold(0, |word, (part, k)| word | encode(k) << (32 / E::GROUP * part));
                    row[*index] = f32::from_bits(word);
                }
            }
        };
        let uninit = &mut lines.spare_capacity_mut()[..stride * count];
        if stride * count < MIN_PARALLEL_LINES {
            uninit.chunks_mut(stride.max(1)).enumerate().for_each(fill);
        } else {
            uninit.par_chunks_mut(stride).enumerate().for_each(fill);
        }
        // SAFETY: `fill` has initialized these lines.
        unsafe { lines.set_len(stride * count) };
        Self { lines, stride, depth, count, tile, dtype }
    }

    /// Packs a matrix of `columns` columns in ascending order.
    pub fn plain(
        tile: Tile,
        dtype: WeightDtype,
        depth: usize,
        columns: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        column: impl Fn(usize) -> Column + Sync,
    ) -> Self {
        let column_at = |panel: usize, vector: usize, lane: usize| {
            let index = panel * tile.width() + vector * tile.lanes + lane;
            (index < columns).then(|| column(index))
        };
        let encode = match dtype {
            WeightDtype::F32 => Self::encode::<F32>,
            WeightDtype::Bf16 => Self::encode::<Bf16>,
            WeightDtype::Int8 => Self::encode::<Int8>,
        };
        encode(dtype, tile, depth, columns.div_ceil(tile.width()), weights, bias, column_at)
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.lines[..])
    }

    /// The columns of a range of panels packed by [`plain`](Self::plain).
    pub fn columns(&self, tiles: &Range<usize>, columns: usize) -> Range<usize> {
        let width = self.tile.width();
        columns.min(tiles.start * width)..columns.min(tiles.end * width)
    }

    /// A panel: its biases, then its scales if it has any, then its weights.
    pub fn panel(&self, n: usize) -> &[f32] {
        let lines = &self.lines[n * self.stride..][..self.stride];
        // SAFETY: a line is 16 values without padding, and the slice covers exactly these lines.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LINE) }
    }

    /// The `index`-th of `chunks` almost equal ranges of panels.
    pub fn chunk(&self, index: usize, chunks: usize) -> Range<usize> {
        chunk_range(self.count, index, chunks)
    }
}

/// A range of panels and the order in which they are read.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    tiles: Range<usize>,
    descending: bool,
}

impl Tiles {
    /// Ascending at even time steps and descending at odd ones: the panels that were read last are read first and are
    /// still in the cache, even if not all panels fit into it.
    pub fn at(time: usize, tiles: &Range<usize>) -> Self {
        Self { tiles: tiles.clone(), descending: !time.is_multiple_of(2) }
    }

    /// The tiles in groups that are multiplied by `rows` rows together, for tiles of `vectors` registers and words of
    /// `weights` weights. For few rows a group has several tiles, which gives more independent sums. Every sum has the
    /// same order for any number of rows, so that a row's bits do not depend on the other rows.
    #[inline(always)]
    pub fn groups(&self, vectors: usize, weights: usize, rows: usize) -> impl Iterator<Item = TileGroup> + use<> {
        let Self { tiles: Range { start, end }, descending } = self.clone();
        let mut done = 0;
        std::iter::from_fn(move || {
            let count = match (rows, end - start - done) {
                (_, 0) => return None,
                (1, 4..) if vectors < 4 && weights < 4 => 4,
                (1, 2..) => 2,
                (2, 2..) if vectors < 4 => 2,
                _ => 1,
            };
            let first = if descending { end - 1 - done } else { start + done };
            done += count;
            Some(TileGroup { first, count, descending })
        })
    }
}

/// Consecutive tiles that are multiplied by the same rows together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TileGroup {
    first: usize,
    /// 1, 2 or 4.
    pub count: usize,
    descending: bool,
}

impl TileGroup {
    /// The `n`-th tile.
    #[inline(always)]
    pub fn tile(self, n: usize) -> usize {
        if self.descending { self.first - n } else { self.first + n }
    }
}

/// The `index`-th of `chunks` almost equal ranges of `0..count`.
pub(crate) fn chunk_range(count: usize, index: usize, chunks: usize) -> Range<usize> {
    count * index / chunks..count * (index + 1) / chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panels_have_biases_then_columns() {
        // three columns of a [2, 3] matrix, one lane, two vectors
        let column = |panel: usize, vector: usize, _| {
            let index = panel * 2 + vector;
            (index < 3).then_some(Column { start: index, stride: 3, bias: index })
        };
        let tile = Tile { lanes: 1, vectors: 2 };
        let panels = Panels::pack(tile, 2, 2, &[1., 2., 3., 4., 5., 6.], Some(&[7., 8., 9.]), column);
        assert_eq!(panels.panel(0)[..6], [7., 8., 1., 2., 4., 5.]);
        assert_eq!(panels.panel(1)[..6], [9., 0., 3., 0., 6., 0.]);
        assert_eq!(panels.panel(1).as_ptr().align_offset(64), 0);
    }

    #[test]
    fn tiles_alternate_between_ascending_and_descending() {
        let order = |time: usize, tiles: Range<usize>, vectors: usize, rows: usize| {
            let groups = Tiles::at(time, &tiles).groups(vectors, 1, rows);
            groups.map(|group| (0..group.count).map(|n| group.tile(n)).collect()).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(order(0, 2..5, 3, 3), [[2], [3], [4]]);
        assert_eq!(order(1, 2..5, 3, 3), [[4], [3], [2]]);
        assert_eq!(order(1, 0..0, 3, 1).len(), 0);
        // few rows: several tiles per group
        assert_eq!(order(0, 0..7, 3, 1), [vec![0, 1, 2, 3], vec![4, 5], vec![6]]);
        assert_eq!(order(1, 0..7, 4, 1), [vec![6, 5], vec![4, 3], vec![2, 1], vec![0]]);
        assert_eq!(order(0, 0..7, 3, 2), [vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
        assert_eq!(order(0, 0..7, 4, 2).len(), 7);
    }

    #[test]
    fn chunk_ranges_cover_everything_once() {
        let all: Vec<usize> = (0..3).flat_map(|index| chunk_range(8, index, 3)).collect();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        assert_eq!(chunk_range(1, 0, 2), 0..0);
    }
}
