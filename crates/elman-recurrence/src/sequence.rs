use burn::tensor::Tensor;

use crate::state::State;

/// What a layer is given besides its input: an initial state, the lengths of a ragged batch, and whether every state
/// is wanted.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use elman_recurrence::{GruConfig, Sequence};
///
/// let device = Device::flex();
/// let gru = GruConfig::new(3, 4).with_bidirectional(true).init(&device);
/// let x = Tensor::ones([2, 5, 3], &device);
/// let out = gru.forward_with(x, Sequence::new().with_lengths(&[5, 2]).with_all_states());
/// assert_eq!(out.output.dims(), [2, 5, 8]);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sequence {
    pub(crate) state: Option<State>,
    pub(crate) lengths: Option<Vec<usize>>,
    pub(crate) all_states: bool,
}

impl Sequence {
    /// All rows full, zero initial state, only the last layer's output kept.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from `state` instead of zeros.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<Option<State>>) -> Self {
        self.state = state.into();
        self
    }

    /// Row `b` ends after `lengths[b]` time steps, in any order. Outputs past it are zero, the final state is the one
    /// at it, and the reverse direction starts at it. Input past it is never looked at. A length of 0 leaves the row's
    /// state as it was.
    #[must_use]
    pub fn with_lengths(mut self, lengths: &[usize]) -> Self {
        self.lengths = Some(lengths.to_vec());
        self
    }

    /// Returns the states of every layer at every time step too.
    #[must_use]
    pub fn with_all_states(mut self) -> Self {
        self.all_states = true;
        self
    }
}

/// What a layer returns.
#[derive(Clone, Debug)]
pub struct Output {
    /// The last layer's output, `[batch, time, directions·d_output]`.
    pub output: Tensor<3>,
    /// The final state of every layer and direction.
    pub state: State,
    /// The states of every layer at every time step, if [`Sequence::with_all_states`] asked for them.
    pub all_states: Option<Vec<LayerStates>>,
}

/// The states of one layer at every time step.
#[derive(Clone, Debug)]
pub struct LayerStates {
    /// The hidden state `h` first, then what else the cell keeps (the LSTM's `c`), each
    /// `[batch, time, directions·width]`, directions side by side, zero past a row's length.
    pub states: Vec<Tensor<3>>,
}

impl LayerStates {
    /// The hidden state `h`, `[batch, time, directions·width]`.
    pub fn hidden(&self) -> Tensor<3> {
        self.states[0].clone()
    }
}
