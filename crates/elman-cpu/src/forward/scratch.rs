//! What a walk remembers of the step it is at.

use crate::{ScanOptions, Sequences, kernel::Counts, team::Shared};

use super::weights::Weights;

/// Memory for one time step; what a walk does not need is empty.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The recurrent product, `[B, G·H]`, of a staged walk.
    gates: Vec<f32>,
    /// What the late gates' weights are multiplied with, `[B, H]`.
    late: Vec<f32>,
    /// The hidden state with recurrent dropout, `[2, B, P]`: before the step and after it, by turns.
    fed: Vec<f32>,
    /// What the cell gives before it is projected, `[B, H]`, unless that is saved.
    output: Vec<f32>,
}

/// The same for all threads.
#[derive(Clone, Copy)]
pub(crate) struct Memory {
    pub gates: Shared,
    pub late: Shared,
    pub fed: Shared,
    pub output: Shared,
}

impl Scratch {
    pub fn new(counts: Counts, sequences: &Sequences<'_>, weights: &Weights, is_saved: bool) -> Self {
        let Sequences { batch, hidden, .. } = *sequences;
        let memory = |is_needed: bool, count: usize| vec![0.0; if is_needed { count } else { 0 }];
        Self {
            gates: memory(weights.staged, batch * counts.gates * hidden),
            late: memory(counts.late > 0, batch * hidden),
            fed: Vec::new(),
            output: memory(weights.projection.is_some() && !is_saved, batch * hidden),
        }
    }

    /// With the hidden state before the first step, where there is recurrent dropout.
    #[must_use]
    pub fn with_dropout(mut self, variant: &ScanOptions<'_>, state: &[f32]) -> Self {
        if let Some(dropout) = variant.dropout {
            self.fed = state.iter().zip(dropout).map(|(state, dropout)| state * dropout).collect();
            self.fed.resize(2 * dropout.len(), 0.0);
        }
        self
    }

    pub fn shared(&mut self) -> Memory {
        let [gates, late, fed, output] =
            [&mut self.gates, &mut self.late, &mut self.fed, &mut self.output].map(|memory| Shared::new(memory));
        Memory { gates, late, fed, output }
    }
}
