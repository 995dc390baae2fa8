use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use elman_layers::Dropout;
use serde::{Deserialize, Serialize};

use crate::{
    cell::RnnCell,
    options::stack_options,
    packed::{PackError, Packed, WeightDtype, pack, to_vec_f32},
    sequence::{Output, Sequence},
    stack::{DirectionWeights, Stack},
    state::State,
};

/// Configuration of [`ElmanNetwork`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ElmanNetworkConfig {
    /// Width of the input.
    pub d_input: usize,
    /// Hidden units of each layer and direction.
    pub d_hidden: usize,
    /// Width of the read-out.
    pub d_output: usize,
    /// Activation of the hidden layer; default tanh.
    pub activation: Activation,
    /// Number of stacked layers.
    pub layers: usize,
    /// Whether each layer runs in both directions.
    pub bidirectional: bool,
    /// Probability of dropout between layers in training.
    pub dropout: f64,
    /// Whether the layers have biases.
    pub bias: bool,
}

impl ElmanNetworkConfig {
    /// One layer, one direction, tanh, with biases, no dropout.
    pub fn new(d_input: usize, d_hidden: usize, d_output: usize) -> Self {
        let (activation, layers, bidirectional, dropout, bias) = (Activation::Tanh, 1, false, 0.0, true);
        Self { d_input, d_hidden, d_output, activation, layers, bidirectional, dropout, bias }
    }

    /// Sets the activation of the hidden layer.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { activation, ..self }
    }

    stack_options!();

    /// Initializes the network: the weights of each dense layer are uniform in ±1/√fan-in.
    ///
    /// # Panics
    /// If a width or the number of layers is 0, or `dropout` is not in [0, 1).
    pub fn init(&self, device: &Device) -> ElmanNetwork {
        let Self { d_input, d_hidden, d_output, layers, .. } = *self;
        assert!(
            d_input > 0 && d_hidden > 0 && d_output > 0 && layers > 0,
            "[d_input, d_hidden, d_output, layers] = [{d_input}, {d_hidden}, {d_output}, {layers}] must be at least 1"
        );
        let directions = 1 + usize::from(self.bidirectional);
        let dense = |d_in, d_out| LinearConfig::new(d_in, d_out).with_bias(self.bias).init(device);
        let layer = |l: usize| {
            let d_below = if l == 0 { d_input } else { d_hidden * directions };
            (0..directions).map(|_| dense(d_below + d_hidden, d_hidden)).collect()
        };
        ElmanNetwork {
            w0: (0..layers).map(layer).collect(),
            w1: dense(d_hidden * directions, d_output),
            dropout: Dropout::new(self.dropout),
            cell: RnnCell { activation: self.activation },
        }
    }
}

/// The simple recurrent network (Elman 1990): one dense layer on the concatenation of the input and the previous hidden
/// state, and a read-out.
///
/// ```text
/// h_t = f(w0 [x_t; h_{t-1}])
/// y_t = w1 h_t
/// ```
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use elman_recurrence::ElmanNetworkConfig;
///
/// let device = Device::flex();
/// let rnn = ElmanNetworkConfig::new(2, 8, 1).init(&device);
/// let (mut y, mut h) = rnn.step(Tensor::ones([1, 2], &device), None);
/// for _ in 0..3 {
///     (y, h) = rnn.step(Tensor::ones([1, 2], &device), Some(h));
/// }
/// assert_eq!(y.dims(), [1, 1]);
/// assert_eq!(h.hidden().dims(), [1, 1, 8]);
/// ```
#[derive(Module, Debug)]
pub struct ElmanNetwork {
    /// The hidden layers, `[layer][direction]`. Each weight is `[d_input + d_hidden, d_hidden]`, with the rows of the
    /// input first.
    pub w0: Vec<Vec<Linear>>,
    /// The read-out, `[directions·d_hidden, d_output]`.
    pub w1: Linear,
    dropout: Dropout,
    #[module(skip)]
    cell: RnnCell,
}

impl ElmanNetwork {
    /// Runs the whole sequence from `state`, or from zeros, and returns the read-out `y` and the final hidden state.
    ///
    /// # Shapes
    /// - `x`: `[batch, time, d_input]`
    /// - `y`: `[batch, time, d_output]`
    ///
    /// # Panics
    /// As [`Recurrent::forward`](crate::Recurrent::forward).
    pub fn forward(&self, x: Tensor<3>, state: Option<State>) -> (Tensor<3>, State) {
        let out = self.forward_with(x, Sequence::new().with_state(state));
        (out.output, out.state)
    }

    /// Runs a batch of sequences with the options of [`Sequence`]. After the end of a row, the output is the read-out
    /// of a zero hidden state. The hidden states are in [`Output::all_states`].
    ///
    /// # Shapes
    /// As [`forward`](ElmanNetwork::forward).
    ///
    /// # Panics
    /// As [`Recurrent::forward_with`](crate::Recurrent::forward_with).
    pub fn forward_with(&self, x: Tensor<3>, sequence: Sequence) -> Output {
        let out = Stack {
            cell: &self.cell,
            layers: self.directions(),
            dropout: &self.dropout,
            regularizers: None,
            recompute: false,
        }
        .run(x, sequence);
        Output { output: self.w1.forward(out.output), ..out }
    }

    /// Runs one time step: the same values as [`forward`](ElmanNetwork::forward) of a sequence of length 1.
    ///
    /// # Shapes
    /// - `x`: `[batch, d_input]`
    /// - `y`: `[batch, d_output]`
    ///
    /// # Panics
    /// If the network is bidirectional: its outputs depend on the whole sequence.
    pub fn step(&self, x: Tensor<2>, state: Option<State>) -> (Tensor<2>, State) {
        assert!(!self.bidirectional(), "step: a bidirectional network needs whole sequences; use forward");
        let (y, state) = self.forward(x.unsqueeze_dim(1), state);
        (y.squeeze_dim(1), state)
    }

    /// Packs the weights for inference on the CPU, as f32 or in fewer bits. Dropout is not applied.
    ///
    /// # Errors
    /// [`PackError`](crate::packed::PackError) if the cell has no CPU kernel, or a weight is not finite and `dtype` is
    /// `int8`.
    pub fn pack(&self, dtype: WeightDtype) -> Result<Packed, PackError> {
        let read_out = self.w1.weight.val().transpose();
        let bias = self.w1.bias.as_ref().map(|bias| to_vec_f32(bias.val()));
        let packed = pack(&self.cell, self.directions(), None, dtype)?;
        Ok(packed.with_read_out(&to_vec_f32(read_out), bias.as_deref(), dtype))
    }

    fn directions(&self) -> Vec<Vec<DirectionWeights>> {
        self.w0.iter().map(|layer| layer.iter().map(direction_weights).collect()).collect()
    }

    /// Width of the read-out.
    pub fn d_output(&self) -> usize {
        self.w1.weight.dims()[1]
    }

    /// Whether each layer runs in both directions.
    pub fn bidirectional(&self) -> bool {
        self.w0[0].len() == 2
    }
}

/// Splits `w0 [x; h] = W_x x + W_h h + b` into the rows of the input and of the hidden state.
fn direction_weights(w0: &Linear) -> DirectionWeights {
    let weight = w0.weight.val();
    let [rows, d_hidden] = weight.dims();
    let d_input = rows - d_hidden;
    DirectionWeights {
        weight_ih: weight.clone().narrow(0, 0, d_input).transpose(),
        weight_hh: Some(weight.narrow(0, d_input, d_hidden).transpose()),
        bias_ih: w0.bias.as_ref().map(Param::val),
        bias_hh: None,
        weight_hr: None,
        gain_ih: None,
        gain_hh: None,
    }
}
