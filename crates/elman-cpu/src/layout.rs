//! The layout of the values that forward saves for backward.

use crate::{Kernel, ScanOptions, Sequences, kernel::CellSpec};

/// Offsets in the buffer of saved values: first the cell's saved values `[T, B, SAVED·H]`, then those that
/// [`ScanOptions`] need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SavedLayout {
    /// The cell's output `[T, B, H]`, if it differs from the hidden state.
    pub output: Option<usize>,
    /// The recurrent product, normalized to mean 0 and deviation 1, `[T, B, G·H]`.
    pub normalized: Option<usize>,
    /// Inverse standard deviations of the product, `[T, B, 2]`: of the non-candidate gates and of the candidate gates.
    pub inv_std: Option<usize>,
    /// Total number of values.
    pub len: usize,
}

impl SavedLayout {
    pub fn new(spec: CellSpec, sequences: &Sequences<'_>, options: &ScanOptions<'_>) -> Self {
        let rows = sequences.time * sequences.batch;
        let mut len = rows * spec.saved * sequences.hidden;
        let mut reserve = |is_needed: bool, count: usize| {
            is_needed.then(|| {
                len += count;
                len - count
            })
        };
        let is_changed = options.zoneout.is_some() && spec.uses_output;
        Self {
            output: reserve(options.projection.is_some() || is_changed, rows * sequences.hidden),
            normalized: reserve(options.norm.is_some(), rows * spec.gates * sequences.hidden),
            inv_std: reserve(options.norm.is_some(), rows * 2),
            len,
        }
    }
}

/// Number of values that [`forward`](crate::forward()) saves for [`backward`](crate::backward()), without the states:
/// `T·B·H·(SAVED + o + n·G) + 2·n·T·B`, where `o` is 1 with a projection, or with zoneout if the cell's backward uses
/// its output, and `n` is 1 with layer normalization.
pub fn saved_len(kernel: &Kernel, sequences: &Sequences<'_>, options: &ScanOptions<'_>) -> usize {
    SavedLayout::new(kernel.spec(), sequences, options).len
}
