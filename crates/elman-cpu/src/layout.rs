//! What forward saves for backward, and where.

use crate::{Kernel, ScanOptions, Sequences, kernel::Counts};

/// Where what was saved lies: first what the cell saves, `[T, B, SAVED·H]`, then what a variant needs besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// The cell's output `[T, B, H]`, where that is not the hidden state.
    pub output: Option<usize>,
    /// The recurrent product with mean 0 and deviation 1, `[T, B, G·H]`.
    pub normal: Option<usize>,
    /// One over the deviations that it had, `[T, B, 2]`: of the early gates and of the late ones.
    pub deviation: Option<usize>,
    /// All numbers.
    pub len: usize,
}

impl Layout {
    pub fn new(counts: Counts, sequences: &Sequences<'_>, variant: &ScanOptions<'_>) -> Self {
        let rows = sequences.time * sequences.batch;
        let mut len = rows * counts.saved * sequences.hidden;
        let mut take = |is_needed: bool, count: usize| {
            is_needed.then(|| {
                len += count;
                len - count
            })
        };
        let is_changed = variant.zoneout.is_some() && counts.reads_output;
        Self {
            output: take(variant.projection.is_some() || is_changed, rows * sequences.hidden),
            normal: take(variant.norm.is_some(), rows * counts.gates * sequences.hidden),
            deviation: take(variant.norm.is_some(), rows * 2),
            len,
        }
    }
}

/// Numbers that [`forward`](crate::forward()) saves for [`backward`](crate::backward()) besides the states:
/// `T·B·H·(SAVED + o + n·G) + 2·n·T·B`, where `o` is 1 with a projection, or with zoneout if the cell reads its output
/// again, and `n` is 1 with layer normalisation.
pub fn saved_len(kernel: &Kernel, sequences: &Sequences<'_>, variant: &ScanOptions<'_>) -> usize {
    Layout::new(kernel.counts(), sequences, variant).len
}
