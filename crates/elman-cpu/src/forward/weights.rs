//! The packed weights of a scan, and how threads divide them.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::{
    Isa, Sequences, WeightDtype,
    kernel::CellSpec,
    multiply::PlainTile,
    panels::{Column, Panels, Tile, chunk_range},
    threading::Plan,
};

/// The weights to pack.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UnpackedWeights<'a> {
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
    /// Whether the product is normalized before its bias is added.
    pub is_normalized: bool,
}

pub(crate) struct PackedWeights {
    /// Whether the recurrent product must be complete before the cell runs. Otherwise the cell is fused into each tile.
    pub staged: bool,
    /// The non-candidate gates. Unless the scan is staged, a panel interleaves all gates of its units.
    pub gates: Panels,
    /// The candidate gates.
    pub candidate: Option<Panels>,
    pub projection: Option<Panels>,
}

/// The work of one thread.
#[derive(Default)]
pub(crate) struct ThreadTask {
    pub rows: Vec<usize>,
    /// The rows that are active at this time step.
    pub active: Vec<usize>,
    /// The rows that have ended.
    pub ended: Vec<usize>,
    /// Tiles of the non-candidate gates.
    pub tiles: Range<usize>,
    /// Tiles of the candidate gates.
    pub candidate: Range<usize>,
    /// Tiles of the projection.
    pub projection: Range<usize>,
    /// Hidden units.
    pub units: Range<usize>,
    /// Elements of the hidden state.
    pub columns: Range<usize>,
}

/// Registers per row of a tile into which the cell is fused.
pub(super) const fn tile_vectors(gates: usize) -> usize {
    if gates > 2 { gates } else { 2 }
}

/// A tile with this number of registers per row.
struct CellTile(usize);

impl WithSimd for CellTile {
    type Output = Tile;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> Tile {
        Tile { lanes: S::F32_LANES, vectors: self.0 }
    }
}

impl PackedWeights {
    /// Packs the weights. Scans with a dtype other than f32 are staged, so that their product is compiled once and not
    /// for every cell.
    pub fn pack(spec: CellSpec, isa: Isa, dtype: WeightDtype, from: UnpackedWeights<'_>) -> Self {
        let UnpackedWeights { hidden, output, is_normalized, .. } = from;
        let plain = isa.run(PlainTile);
        // with layer normalization the bias is added later
        let bias = from.bias.filter(|_| !is_normalized);
        let pack_rows = |start: usize, rows: usize| {
            let column = |row: usize| Column { start: (start + row) * output, stride: 1, bias: start + row };
            Panels::plain(plain, dtype, output, rows, from.weights, bias, column)
        };
        let is_narrow = spec.recurrent && dtype != WeightDtype::F32;
        let staged = spec.candidate_gates > 0 || is_normalized || is_narrow;
        let candidate_start = spec.non_candidate_gates() * hidden;
        Self {
            staged,
            gates: if staged { pack_rows(0, candidate_start) } else { pack_interleaved(spec, isa, &from) },
            candidate: (spec.candidate_gates > 0).then(|| pack_rows(candidate_start, spec.candidate_gates * hidden)),
            projection: from.projection.map(|projection| {
                let column = |row: usize| Column { start: row * hidden, stride: 1, bias: 0 };
                Panels::plain(plain, dtype, hidden, output, projection, None, column)
            }),
        }
    }

    /// Allocated bytes.
    pub fn bytes(&self) -> usize {
        let panels = [Some(&self.gates), self.candidate.as_ref(), self.projection.as_ref()];
        panels.into_iter().flatten().map(Panels::bytes).sum()
    }

    pub fn task(&self, spec: CellSpec, plan: Plan, thread: usize, sequences: &Sequences<'_>) -> ThreadTask {
        let Sequences { batch, hidden, output, .. } = *sequences;
        let (index, chunks) = plan.unit_chunk(thread);
        let tiles = self.gates.chunk(index, chunks);
        let lanes = self.gates.tile.lanes;
        let registers = if self.staged {
            chunk_range(hidden.div_ceil(lanes), index, chunks)
        } else {
            let registers = self.gates.tile.vectors / spec.gates;
            tiles.start * registers..tiles.end * registers
        };
        let units = hidden.min(registers.start * lanes)..hidden.min(registers.end * lanes);
        let chunk = |panels: &Option<Panels>| panels.as_ref().map_or(0..0, |panels| panels.chunk(index, chunks));
        let (candidate, projection) = (chunk(&self.candidate), chunk(&self.projection));
        let columns = match &self.projection {
            Some(panels) => panels.columns(&projection, output),
            None => units.clone(),
        };
        let rows = plan.rows(thread, batch, sequences.lengths);
        ThreadTask { rows, tiles, candidate, projection, units, columns, ..ThreadTask::default() }
    }
}

/// Packs panels that interleave gates: for each register of units, one register per gate.
fn pack_interleaved(spec: CellSpec, isa: Isa, from: &UnpackedWeights<'_>) -> Panels {
    let UnpackedWeights { hidden, output, .. } = *from;
    let tile = isa.run(CellTile(tile_vectors(spec.gates)));
    let units = tile.width() / spec.gates;
    let column = |panel: usize, vector: usize, lane: usize| {
        let (register, gate) = (vector / spec.gates, vector % spec.gates);
        let unit = panel * units + register * tile.lanes + lane;
        let row = gate * hidden + unit;
        (spec.recurrent && unit < hidden).then_some(Column { start: row * output, stride: 1, bias: row })
    };
    // without a recurrent product the panels are empty, and the sums are zero
    let depth = if spec.recurrent { output } else { 0 };
    Panels::pack(tile, depth, hidden.div_ceil(units), from.weights, from.bias, column)
}
