use crate::{ScanOptions, Sequences, kernel::Counted};

/// Where what a walk keeps for the way back, or uses from one phase to the next, lies in one buffer. `T` time, `B` batch,
/// `G` gates, `H` hidden units. There is a time axis only where the walk is walked back later. It is float32 whatever the
/// others are, and what the cell saves is elsewhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuxLayout {
    /// The hidden state as the cell returned it, `[T, B, H]`.
    pub raw: Option<usize>,
    /// The recurrent products before normalisation and bias, `[T, B, G, H]`.
    pub products: Option<usize>,
    /// Mean and inverse deviation of the products of the gates that are not late, and of those that are: `[T, B, 2, 2]`.
    pub statistics: Option<usize>,
    /// What the late gates' weights are multiplied with, `[B, H]`.
    pub late: Option<usize>,
    /// Numbers in all.
    pub len: usize,
}

impl AuxLayout {
    pub fn of(counts: Counted, sequences: &Sequences, variant: ScanOptions, saves: bool) -> Self {
        let Sequences { time, batch, hidden, .. } = *sequences;
        let rows = if saves { time * batch } else { batch };
        let mut len = 0;
        let mut place = |is_there: bool, numbers: usize| {
            let start = len;
            len += if is_there { numbers } else { 0 };
            is_there.then_some(start)
        };
        let needs_output = saves && counts.reads_output && variant.zoneout;
        let raw = place(variant.projection || needs_output, rows * hidden);
        let products = place(variant.norm || counts.late > 0, rows * counts.gates * hidden);
        let statistics = place(variant.norm, rows * 4);
        let late = place(counts.late > 0, batch * hidden);
        Self { raw, products, statistics, late, len }
    }
}
