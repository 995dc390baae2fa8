use burn::tensor::Tensor;

use crate::state::State;

/// Options of a forward pass: the initial state, the lengths of a ragged batch, and whether to return the states of all
/// layers and time steps.
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
    /// Rows of full length, a zero initial state, and only the last layer's output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts from `state` instead of zeros.
    #[must_use]
    pub fn with_state(mut self, state: impl Into<Option<State>>) -> Self {
        self.state = state.into();
        self
    }

    /// Row `b` ends after `lengths[b]` time steps; lengths may be in any order. After its end, the output of a row is
    /// zero and its input is not read. The final state is the state at the end, and the reverse direction starts there.
    /// With length 0, the state of the row is unchanged.
    #[must_use]
    pub fn with_lengths(mut self, lengths: &[usize]) -> Self {
        self.lengths = Some(lengths.to_vec());
        self
    }

    /// Also returns the states of every layer at every time step.
    #[must_use]
    pub fn with_all_states(mut self) -> Self {
        self.all_states = true;
        self
    }
}

/// The result of a forward pass.
#[derive(Clone, Debug)]
pub struct Output {
    /// The last layer's output, `[batch, time, directions·d_output]`.
    pub output: Tensor<3>,
    /// The final state of every layer and direction.
    pub state: State,
    /// The states of every layer at every time step, if requested with [`Sequence::with_all_states`].
    pub all_states: Option<Vec<LayerStates>>,
}

/// The states of one layer at every time step.
#[derive(Clone, Debug)]
pub struct LayerStates {
    /// The hidden state `h`, followed by the other states of the cell (the LSTM's `c`), each `[batch, time,
    /// directions·width]` with directions concatenated. Zero after the end of a row.
    pub states: Vec<Tensor<3>>,
}

impl LayerStates {
    /// The hidden state `h`, `[batch, time, directions·width]`.
    pub fn hidden(&self) -> Tensor<3> {
        self.states[0].clone()
    }
}
