use std::{fmt, ops::Range};

use crate::{
    Isa, WeightDtype,
    multiply::{Multiply, PlainTile},
    panels::{Column, Panels, Tiles},
    threading::{Plan, SharedPtr, StridedRows},
};

/// A linear layer `y = x Wᵀ + b` whose weights are packed once.
///
/// Legend: `N` rows, `I` inputs, `R` outputs.
///
/// ```
/// use elman_cpu::{Isa, PackedLinear, WeightDtype};
///
/// let weights = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]; // three outputs of two inputs
/// let layer = PackedLinear::new(Isa::best(), WeightDtype::F32, &weights, Some(&[0.5, 0.0, 0.0]), 2);
/// let mut y = [0.0; 3];
/// layer.forward(1, &[1.0, -1.0], &mut y);
/// assert_eq!(y, [-0.5, -1.0, -1.0]);
/// ```
pub struct PackedLinear {
    isa: Isa,
    panels: Panels,
    outputs: usize,
}

impl fmt::Debug for PackedLinear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PackedLinear({} → {}, {})", self.inputs(), self.outputs, self.panels.dtype)
    }
}

/// Rows that are multiplied by all weights before the next rows: few enough to stay in the cache, while the weights are
/// read again.
const CHUNK_ROWS: usize = 1 << 6;

static ROW_INDICES: [usize; CHUNK_ROWS] = {
    let mut rows = [0; CHUNK_ROWS];
    let mut n = 0;
    while n < CHUNK_ROWS {
        rows[n] = n;
        n += 1;
    }
    rows
};

impl PackedLinear {
    /// Packs the weights `[R, I]` with their bias `[R]`; `width` is `I`.
    ///
    /// # Panics
    /// If a slice has the wrong size.
    pub fn new(isa: Isa, dtype: WeightDtype, weights: &[f32], bias: Option<&[f32]>, width: usize) -> Self {
        assert!(width > 0 && weights.len().is_multiple_of(width), "weights: [R, I]");
        let outputs = weights.len() / width;
        assert_eq!(bias.map_or(outputs, <[f32]>::len), outputs, "bias: [R]");
        let column = |row: usize| Column { start: row * width, stride: 1, bias: row };
        let panels = Panels::plain(isa.run(PlainTile), dtype, width, outputs, weights, bias, column);
        Self { isa, panels, outputs }
    }

    /// Computes `[N, R]` from `x`, `[N, I]`, on at most `threads` threads. Does not allocate on one thread.
    ///
    /// # Panics
    /// If a slice has the wrong size.
    pub fn forward(&self, threads: usize, x: &[f32], into: &mut [f32]) {
        let width = self.inputs();
        assert!(x.len().is_multiple_of(width), "x: [N, I]");
        let rows = x.len() / width;
        assert_eq!(into.len(), rows * self.outputs, "into: [N, R]");
        let into = SharedPtr::new(into);
        let plan = Plan::for_columns(threads, rows.saturating_mul(self.outputs).saturating_mul(width));
        plan.run(|thread, _| {
            let (index, chunks) = plan.unit_chunk(thread);
            for start in (0..rows).step_by(CHUNK_ROWS) {
                let count = CHUNK_ROWS.min(rows - start);
                let from = StridedRows::from_slice(&x[start * width..], width);
                // SAFETY: the sizes were checked, and the tiles are this thread's.
                unsafe {
                    let into = StridedRows::at(into, start * self.outputs, self.outputs);
                    self.multiply(self.panels.chunk(index, chunks), &ROW_INDICES[..count], from, into);
                }
            }
        });
    }

    /// `I`
    pub fn inputs(&self) -> usize {
        self.panels.depth
    }

    /// `R`
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        self.panels.bytes()
    }

    /// The `index`-th of `chunks` almost equal ranges of tiles.
    pub(super) fn chunk(&self, index: usize, chunks: usize) -> Range<usize> {
        self.panels.chunk(index, chunks)
    }

    /// Computes a range of tiles for the given rows.
    ///
    /// # Safety
    /// As [`Multiply::run`].
    pub(super) unsafe fn multiply(&self, tiles: Range<usize>, rows: &[usize], from: StridedRows, into: StridedRows) {
        let tiles = Tiles::at(0, &tiles);
        let multiply = Multiply { panels: &self.panels, columns: self.outputs, tiles, rows, from, into, add: false };
        // SAFETY: as the caller promises.
        unsafe { multiply.run(self.isa) }
    }
}
