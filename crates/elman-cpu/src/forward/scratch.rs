//! Scratch memory of one time step.

use crate::{ScanOptions, Sequences, kernel::CellSpec, threading::SharedPtr};

use super::weights::PackedWeights;

/// Memory for one time step. Buffers that a scan does not need are empty.
#[derive(Default)]
pub(crate) struct Scratch {
    /// The recurrent product of a staged scan, `[B, G·H]`.
    gates: Vec<f32>,
    /// The input of the candidate gates' recurrent product, `[B, H]`.
    candidate_input: Vec<f32>,
    /// The hidden state after recurrent dropout, `[2, B, P]`: before and after the step, alternating.
    dropped_state: Vec<f32>,
    /// The cell's output before the projection, `[B, H]`, unless it is saved.
    output: Vec<f32>,
}

/// Pointers to the buffers of a [`Scratch`], the same for all threads.
#[derive(Clone, Copy)]
pub(crate) struct ScratchPtrs {
    pub gates: SharedPtr,
    pub candidate_input: SharedPtr,
    pub dropped_state: SharedPtr,
    pub output: SharedPtr,
}

impl Scratch {
    pub fn new(spec: CellSpec, sequences: &Sequences<'_>, weights: &PackedWeights, is_saved: bool) -> Self {
        let Sequences { batch, hidden, .. } = *sequences;
        let buffer = |is_needed: bool, count: usize| vec![0.0; if is_needed { count } else { 0 }];
        Self {
            gates: buffer(weights.staged, batch * spec.gates * hidden),
            candidate_input: buffer(spec.candidate_gates > 0, batch * hidden),
            dropped_state: Vec::new(),
            output: buffer(weights.projection.is_some() && !is_saved, batch * hidden),
        }
    }

    /// Applies recurrent dropout, if any, to the initial hidden state.
    #[must_use]
    pub fn with_dropout(mut self, options: &ScanOptions<'_>, state: &[f32]) -> Self {
        if let Some(dropout) = options.dropout {
            self.dropped_state = state.iter().zip(dropout).map(|(state, mask)| state * mask).collect();
            self.dropped_state.resize(2 * dropout.len(), 0.0);
        }
        self
    }

    pub fn shared(&mut self) -> ScratchPtrs {
        ScratchPtrs {
            gates: SharedPtr::new(&mut self.gates),
            candidate_input: SharedPtr::new(&mut self.candidate_input),
            dropped_state: SharedPtr::new(&mut self.dropped_state),
            output: SharedPtr::new(&mut self.output),
        }
    }
}
