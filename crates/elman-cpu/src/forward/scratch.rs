//! What a walk remembers of the step it is at.

use crate::{Forward, Sequences, cell::Pointwise, team::Shared};

use super::weights::Weights;

/// Memory for one time step; what a walk does not need is empty.
pub(super) struct Scratch {
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
pub(super) struct Memory {
    pub gates: Shared,
    pub late: Shared,
    pub fed: Shared,
    pub output: Shared,
}

impl Scratch {
    pub fn new<C: Pointwise>(from: &Forward<'_>, weights: &Weights, is_saved: bool) -> Self {
        let Sequences { batch, hidden, output, .. } = from.sequences;
        let memory = |is_needed: bool, count: usize| vec![0.0; if is_needed { count } else { 0 }];
        let mut fed = memory(from.variant.dropout.is_some(), 2 * batch * output);
        for ((fed, state), dropout) in fed.iter_mut().zip(from.state).zip(from.variant.dropout.unwrap_or_default()) {
            *fed = state * dropout;
        }
        Self {
            gates: memory(weights.staged, batch * C::GATES * hidden),
            late: memory(C::LATE > 0, batch * hidden),
            fed,
            output: memory(from.variant.projection.is_some() && !is_saved, batch * hidden),
        }
    }

    pub fn shared(&mut self) -> Memory {
        let [gates, late, fed, output] =
            [&mut self.gates, &mut self.late, &mut self.fed, &mut self.output].map(|memory| Shared::new(memory));
        Memory { gates, late, fed, output }
    }
}
