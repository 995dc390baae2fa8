use std::{fmt, ops::Range};

use crate::{
    Isa, WeightDtype,
    multiply::{Multiply, PlainTile},
    panels::{Column, Panels, Tiles},
    team::{Plan, Shared, Slab},
};

/// A dense layer `y = x Wᵀ + b` whose weights are packed once.
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
        write!(f, "PackedLinear({} → {}, {})", self.inputs(), self.outputs, self.panels.precision)
    }
}

/// Rows that are multiplied at once: with few enough of them the weights are what is read again.
const ROWS: usize = 1 << 6;

static FIRST: [usize; ROWS] = {
    let mut rows = [0; ROWS];
    let mut n = 0;
    while n < ROWS {
        rows[n] = n;
        n += 1;
    }
    rows
};

impl PackedLinear {
    /// Packs the weights `[R, I]` with their bias `[R]`; `width` is `I`.
    ///
    /// # Panics
    /// If a slice has another size.
    pub fn new(isa: Isa, precision: WeightDtype, weights: &[f32], bias: Option<&[f32]>, width: usize) -> Self {
        assert!(width > 0 && weights.len().is_multiple_of(width), "weights: [R, I]");
        let outputs = weights.len() / width;
        assert_eq!(bias.map_or(outputs, <[f32]>::len), outputs, "bias: [R]");
        let column = |row: usize| Column { start: row * width, step: 1, bias: row };
        let panels = Panels::plain(isa.run(PlainTile), precision, width, outputs, weights, bias, column);
        Self { isa, panels, outputs }
    }

    /// Computes `[N, R]` from `x`, `[N, I]`, on at most so many threads. Nothing is allocated on one.
    ///
    /// # Panics
    /// If a slice has another size.
    pub fn forward(&self, threads: usize, x: &[f32], into: &mut [f32]) {
        let width = self.inputs();
        assert!(x.len().is_multiple_of(width), "x: [N, I]");
        let rows = x.len() / width;
        assert_eq!(into.len(), rows * self.outputs, "into: [N, R]");
        let into = Shared::new(into);
        let plan = Plan::columns(threads, rows.saturating_mul(self.outputs).saturating_mul(width));
        plan.run(|thread, _| {
            let (part, parts) = plan.part(thread);
            for start in (0..rows).step_by(ROWS) {
                let count = ROWS.min(rows - start);
                let from = Slab::of(&x[start * width..], width);
                // SAFETY: the sizes were checked, the tiles are this thread's.
                unsafe {
                    let into = Slab::at(into, start * self.outputs, self.outputs);
                    self.multiply(self.panels.share(part, parts), &FIRST[..count], from, into);
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

    /// The tiles of one of `parts` threads.
    pub(super) fn share(&self, part: usize, parts: usize) -> Range<usize> {
        self.panels.share(part, parts)
    }

    /// Some tiles of some rows.
    ///
    /// # Safety
    /// As [`Multiply::run`].
    pub(super) unsafe fn multiply(&self, tiles: Range<usize>, rows: &[usize], from: Slab, into: Slab) {
        let tiles = Tiles::at(0, &tiles);
        let multiply = Multiply { panels: &self.panels, columns: self.outputs, tiles, rows, from, into, add: false };
        // SAFETY: as the caller promises.
        unsafe { multiply.run(self.isa) }
    }
}
