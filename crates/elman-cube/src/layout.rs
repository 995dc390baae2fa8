use crate::{ScanOptions, Sequences, kernel::CellSpec};

/// Offsets in the auxiliary buffer of a scan: values that one phase passes to the next or that backward needs, except
/// those that the cell saves. `T` time, `B` batch, `G` gates, `H` hidden units. The time axis exists only if backward
/// follows. The buffer is always f32.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AuxLayout {
    /// The hidden state that the cell returned, before projection and zoneout, `[T, B, H]`.
    pub unprojected: Option<usize>,
    /// The recurrent products before layer normalization and bias, `[T, B, G, H]`.
    pub products: Option<usize>,
    /// Mean and inverse standard deviation of the products of the non-candidate gates and of the candidate gates,
    /// `[T, B, 2, 2]`.
    pub statistics: Option<usize>,
    /// The input of the candidate gates' recurrent product, `[B, H]`.
    pub candidate_input: Option<usize>,
    /// Total number of values.
    pub len: usize,
}

impl AuxLayout {
    pub fn new(spec: CellSpec, sequences: &Sequences, options: ScanOptions, saves: bool) -> Self {
        let Sequences { time, batch, hidden, .. } = *sequences;
        let rows = if saves { time * batch } else { batch };
        let mut len = 0;
        let mut reserve = |is_needed: bool, count: usize| {
            let start = len;
            len += if is_needed { count } else { 0 };
            is_needed.then_some(start)
        };
        let needs_output = saves && spec.uses_output && options.zoneout;
        let unprojected = reserve(options.projection || needs_output, rows * hidden);
        let products = reserve(options.norm || spec.candidate_gates > 0, rows * spec.gates * hidden);
        let statistics = reserve(options.norm, rows * 4);
        let candidate_input = reserve(spec.candidate_gates > 0, batch * hidden);
        Self { unprojected, products, statistics, candidate_input, len }
    }
}
