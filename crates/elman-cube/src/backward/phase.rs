//! The phases of a time step of the backward scan, and their order.

use super::buffers::Flags;
use crate::{driver::COLUMNS_PER_THREAD, product::Tile};

/// A phase of a time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// The gradient through the recurrent product of the next step, with the cell fused into it.
    Fused,
    /// The gradient through the recurrent product of the next step, without the cell: for a projected hidden state.
    Projected,
    /// The gradient through the projection, and the cell.
    Cell,
    /// The gradient through layer normalization of the products of the candidate gates, or of the non-candidate gates.
    LayerNorm { candidate: bool },
    /// The gradient through the recurrent product of the candidate gates and its input.
    CandidateInput,
    /// Of the first step only: the gradient through its recurrent product.
    Initial,
}

impl Phase {
    /// The phases of a time step, in order. [`Initial`](Self::Initial) follows the last step.
    pub fn sequence(flags: Flags) -> Vec<Self> {
        let mut phases = if flags.projection { vec![Self::Projected, Self::Cell] } else { vec![Self::Fused] };
        if flags.candidate_gates > 0 {
            if flags.norm {
                phases.push(Self::LayerNorm { candidate: true });
            }
            phases.push(Self::CandidateInput);
        }
        if flags.norm {
            phases.push(Self::LayerNorm { candidate: false });
        }
        phases
    }

    /// Number of column tiles of a phase, that is, of cubes side by side that have work.
    pub fn column_tiles(self, hidden: usize, output: usize, tile: Tile) -> usize {
        match self {
            Self::Fused | Self::Projected | Self::Initial => output.div_ceil(tile.threads * COLUMNS_PER_THREAD),
            Self::Cell | Self::CandidateInput => hidden.div_ceil(tile.threads * COLUMNS_PER_THREAD),
            Self::LayerNorm { .. } => tile.rows,
        }
    }
}
