//! Weights in the order in which the product reads them.

use std::{mem::MaybeUninit, ops::Range};

use rayon::prelude::*;

use crate::{
    precision::{Bf16, Encoding, F32, Int8, WeightDtype},
    product::head,
};

/// How a product is cut into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tile {
    /// Numbers in a register.
    pub lanes: usize,
    /// Registers side by side.
    pub vectors: usize,
}

impl Tile {
    /// Columns of a panel.
    pub fn width(self) -> usize {
        self.lanes * self.vectors
    }
}

/// A cache line, so that no load of a register touches two.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

const LINE: usize = 16;

/// Fewer lines than this are packed by one thread.
const WORTH_THREADS: usize = 1 << 13;

/// The numbers of some lines, which become zero.
fn zeros(lines: &mut [MaybeUninit<Line>]) -> &mut [f32] {
    lines.fill(MaybeUninit::new(Line([0.0; LINE])));
    // SAFETY: the lines were just written; a line is 16 numbers without padding, and the slice covers these lines exactly; the
    // borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) }
}

/// A matrix, `[depth, columns]`, as panels of one tile's width: each panel is a row of biases, one of scales if there are
/// any, and then, for each of `depth` or for each word of them, one row of weights. Columns beyond the last are zero.
pub(crate) struct Panels {
    lines: Vec<Line>,
    /// Lines of a panel.
    stride: usize,
    pub depth: usize,
    pub count: usize,
    pub tile: Tile,
    pub precision: WeightDtype,
}

/// Where a column lies in the matrix that is packed.
#[derive(Clone, Copy)]
pub(crate) struct Column {
    /// Index of the first element.
    pub start: usize,
    /// From one element to the next.
    pub step: usize,
    /// Index of its bias.
    pub bias: usize,
}

impl Panels {
    /// Packs `count` panels; `column(panel, vector, lane)` says what stands there.
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
        precision: WeightDtype,
        tile: Tile,
        depth: usize,
        count: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        column: impl Fn(usize, usize, usize) -> Option<Column> + Sync,
    ) -> Self {
        let width = tile.width();
        let stride = ((head::<E>() + depth.div_ceil(E::GROUP)) * width).div_ceil(LINE);
        let mut lines = Vec::with_capacity(stride * count);
        // each panel's memory is touched first by the thread that fills it
        let fill = |(n, lines): (usize, &mut [MaybeUninit<Line>])| {
            let (head, panel) = zeros(lines).split_at_mut(head::<E>() * width);
            let columns: Vec<(usize, Column)> = (0..width)
                .filter_map(|place| Some((place, column(n, place / tile.lanes, place % tile.lanes)?)))
                .collect();
            for (place, column) in &columns {
                head[*place] = bias.map_or(0.0, |bias| bias[column.bias]);
                if E::SCALED {
                    let all = (0..depth).map(|k| weights[column.start + k * column.step].abs());
                    head[width + place] = all.fold(0.0, f32::max) / Int8::MOST;
                }
            }
            // row after row, so that what is written lies together
            for (row, k) in panel.chunks_exact_mut(width).zip((0..depth).step_by(E::GROUP)) {
                for (place, column) in &columns {
                    let scale = if E::SCALED { head[width + place] } else { 1.0 };
                    let encode = |k: usize| E::encode(weights[column.start + k * column.step], scale);
                    let parts = (k..depth.min(k + E::GROUP)).enumerate();
                    let word = parts.fold(0, |word, (part, k)| word | encode(k) << (32 / E::GROUP * part));
                    row[*place] = f32::from_bits(word);
                }
            }
        };
        let unwritten = &mut lines.spare_capacity_mut()[..stride * count];
        if stride * count < WORTH_THREADS {
            unwritten.chunks_mut(stride.max(1)).enumerate().for_each(fill);
        } else {
            unwritten.par_chunks_mut(stride).enumerate().for_each(fill);
        }
        // SAFETY: so many lines were written.
        unsafe { lines.set_len(stride * count) };
        Self { lines, stride, depth, count, tile, precision }
    }

    /// Packs a matrix of so many columns, side by side in their order.
    pub fn plain(
        tile: Tile,
        precision: WeightDtype,
        depth: usize,
        columns: usize,
        weights: &[f32],
        bias: Option<&[f32]>,
        column: impl Fn(usize) -> Column + Sync,
    ) -> Self {
        let place = |panel: usize, vector: usize, lane: usize| {
            let at = panel * tile.width() + vector * tile.lanes + lane;
            (at < columns).then(|| column(at))
        };
        let encode = match precision {
            WeightDtype::F32 => Self::encode::<F32>,
            WeightDtype::Bf16 => Self::encode::<Bf16>,
            WeightDtype::Int8 => Self::encode::<Int8>,
        };
        encode(precision, tile, depth, columns.div_ceil(tile.width()), weights, bias, place)
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        size_of_val(&self.lines[..])
    }

    /// The columns of some panels that [`plain`](Self::plain) packed.
    pub fn columns(&self, tiles: &Range<usize>, columns: usize) -> Range<usize> {
        let width = self.tile.width();
        columns.min(tiles.start * width)..columns.min(tiles.end * width)
    }

    /// A panel: its biases, then its scales if it has any, then its weights.
    pub fn panel(&self, n: usize) -> &[f32] {
        let lines = &self.lines[n * self.stride..][..self.stride];
        // SAFETY: a line is 16 numbers without padding, and the slice covers these lines exactly.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LINE) }
    }

    /// The panels, shared out evenly.
    pub fn share(&self, part: usize, parts: usize) -> Range<usize> {
        share(self.count, part, parts)
    }
}

/// Some panels, in the order in which they are read.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    tiles: Range<usize>,
    back: bool,
}

impl Tiles {
    /// There at even time steps and back at odd ones: what was read last is read first, and is still in the cache if all of
    /// them do not fit into it.
    pub fn at(time: usize, tiles: &Range<usize>) -> Self {
        Self { tiles: tiles.clone(), back: !time.is_multiple_of(2) }
    }

    /// The tiles, of so many registers with so many weights in a word, in the groups that are multiplied with so many rows at
    /// once. Few rows take several tiles, which keeps the adders busy: each sum is taken in the same order however many rows
    /// there are, so that a row's bits do not depend on the others.
    #[inline(always)]
    pub fn groups(&self, vectors: usize, weights: usize, rows: usize) -> impl Iterator<Item = Group> + use<> {
        let Self { tiles: Range { start, end }, back } = self.clone();
        let mut done = 0;
        std::iter::from_fn(move || {
            let count = match (rows, end - start - done) {
                (_, 0) => return None,
                (1, 4..) if vectors < 4 && weights < 4 => 4,
                (1, 2..) => 2,
                (2, 2..) if vectors < 4 => 2,
                _ => 1,
            };
            let first = if back { end - 1 - done } else { start + done };
            done += count;
            Some(Group { first, count, back })
        })
    }
}

/// Some tiles whose products with the same rows are taken at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group {
    first: usize,
    /// 1, 2 or 4.
    pub count: usize,
    back: bool,
}

impl Group {
    /// The `n`-th of the tiles.
    #[inline(always)]
    pub fn tile(self, n: usize) -> usize {
        if self.back { self.first - n } else { self.first + n }
    }
}

/// The `part`-th of `parts` almost equal ranges of `0..count`.
pub(crate) fn share(count: usize, part: usize, parts: usize) -> Range<usize> {
    count * part / parts..count * (part + 1) / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_side_by_side_after_their_biases() {
        // three columns of a [2, 3] matrix, one lane, two vectors
        let column = |panel: usize, vector: usize, _| {
            let at = panel * 2 + vector;
            (at < 3).then_some(Column { start: at, step: 3, bias: at })
        };
        let tile = Tile { lanes: 1, vectors: 2 };
        let panels = Panels::pack(tile, 2, 2, &[1., 2., 3., 4., 5., 6.], Some(&[7., 8., 9.]), column);
        assert_eq!(panels.panel(0)[..6], [7., 8., 1., 2., 4., 5.]);
        assert_eq!(panels.panel(1)[..6], [9., 0., 3., 0., 6., 0.]);
        assert_eq!(panels.panel(1).as_ptr().align_offset(64), 0);
    }

    #[test]
    fn tiles_are_read_there_and_back() {
        let order = |time: usize, tiles: Range<usize>, vectors: usize, rows: usize| {
            let groups = Tiles::at(time, &tiles).groups(vectors, 1, rows);
            groups.map(|group| (0..group.count).map(|n| group.tile(n)).collect()).collect::<Vec<Vec<_>>>()
        };
        assert_eq!(order(0, 2..5, 3, 3), [[2], [3], [4]]);
        assert_eq!(order(1, 2..5, 3, 3), [[4], [3], [2]]);
        assert_eq!(order(1, 0..0, 3, 1).len(), 0);
        // few rows take several
        assert_eq!(order(0, 0..7, 3, 1), [vec![0, 1, 2, 3], vec![4, 5], vec![6]]);
        assert_eq!(order(1, 0..7, 4, 1), [vec![6, 5], vec![4, 3], vec![2, 1], vec![0]]);
        assert_eq!(order(0, 0..7, 3, 2), [vec![0, 1], vec![2, 3], vec![4, 5], vec![6]]);
        assert_eq!(order(0, 0..7, 4, 2).len(), 7);
    }

    #[test]
    fn shares_cover_everything_once() {
        let all: Vec<usize> = (0..3).flat_map(|part| share(8, part, 3)).collect();
        assert_eq!(all, (0..8).collect::<Vec<_>>());
        assert_eq!(share(1, 0, 2), 0..0);
    }
}
