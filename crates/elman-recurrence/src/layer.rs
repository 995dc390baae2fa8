use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use elman_layers::Dropout;
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, Reset, RnnCell},
    options::{recurrence_options, stack_options},
    packed::{PackError, Packed, WeightDtype, pack},
    regularizers::Regularizers,
    sequence::{Output, Sequence},
    stack::{DirectionWeights, Stack},
    state::State,
    weights::{Weights, Widths},
};

/// A simple recurrent network, like `torch.nn.RNN`; see [`RnnCell`].
pub type Rnn = Recurrent<RnnCell>;
/// A gated recurrent unit, like `torch.nn.GRU`, or with the reset gate before the product; see [`GruCell`].
pub type Gru = Recurrent<GruCell>;
/// Long short-term memory, like `torch.nn.LSTM`; see [`LstmCell`].
pub type Lstm = Recurrent<LstmCell>;
/// A minimal GRU without recurrent weights, parallel over time; see [`MinGruCell`].
pub type MinGru = Recurrent<MinGruCell>;
/// A minimal LSTM without recurrent weights, parallel over time; see [`MinLstmCell`].
pub type MinLstm = Recurrent<MinLstmCell>;

/// Configuration of [`Rnn`].
pub type RnnConfig = RecurrentConfig<RnnCell>;
/// Configuration of [`Gru`].
pub type GruConfig = RecurrentConfig<GruCell>;
/// Configuration of [`Lstm`].
pub type LstmConfig = RecurrentConfig<LstmCell>;
/// Configuration of [`MinGru`].
pub type MinGruConfig = RecurrentConfig<MinGruCell>;
/// Configuration of [`MinLstm`].
pub type MinLstmConfig = RecurrentConfig<MinLstmCell>;

/// Configuration of a recurrent network with any cell.
///
/// ```
/// use burn::tensor::Device;
/// use elman_recurrence::LstmConfig;
///
/// let lstm = LstmConfig::new(100, 256).with_layers(2).with_dropout(0.2).init(&Device::flex());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecurrentConfig<C> {
    /// Width of the input.
    pub d_input: usize,
    /// Hidden units of each layer and direction.
    pub d_hidden: usize,
    /// Number of stacked layers.
    pub layers: usize,
    /// Whether each layer runs in both directions; their outputs are concatenated.
    pub bidirectional: bool,
    /// Probability of dropout between layers in training.
    pub dropout: f64,
    /// Whether the layers have biases.
    pub bias: bool,
    /// Width of the projected hidden state, less than `d_hidden`. Only for cells that
    /// [support it](Cell::PROJECTION): LSTM and RNN.
    pub projection: Option<usize>,
    /// Whether input projection and recurrent product are layer-normalized before their biases are added.
    #[serde(default)]
    pub layer_norm: bool,
    /// Probability of dropout of the hidden state before the recurrent product, in training.
    #[serde(default)]
    pub recurrent_dropout: f64,
    /// Probabilities with which an element of the hidden state, and of the LSTM's cell state, keeps its previous value.
    #[serde(default)]
    pub zoneout: [f64; 2],
    /// Whether training recomputes the gates of a layer in backward instead of saving them.
    #[serde(default)]
    pub recompute: bool,
    /// The cell's own settings.
    pub cell: C,
}

impl<C: Cell + Default> RecurrentConfig<C> {
    /// One layer, one direction, with biases, no dropout.
    pub fn new(d_input: usize, d_hidden: usize) -> Self {
        Self::with_cell(d_input, d_hidden, C::default())
    }
}

impl<C: Cell> RecurrentConfig<C> {
    /// [`new`](RecurrentConfig::new) with the given cell.
    pub fn with_cell(d_input: usize, d_hidden: usize, cell: C) -> Self {
        Self {
            d_input,
            d_hidden,
            layers: 1,
            bidirectional: false,
            dropout: 0.0,
            bias: true,
            projection: None,
            layer_norm: false,
            recurrent_dropout: 0.0,
            zoneout: [0.0; 2],
            recompute: false,
            cell,
        }
    }

    stack_options!();
    recurrence_options!();

    /// Initializes the layers, with weights uniform in ±1/√d_hidden as in PyTorch.
    ///
    /// # Panics
    /// If a width or the number of layers is 0, a probability is not in [0, 1), the projection is not narrower than the
    /// hidden state, or the cell does not support a projection.
    pub fn init(&self, device: &Device) -> Recurrent<C> {
        let Self { d_input, d_hidden, layers, bidirectional, .. } = *self;
        assert!(
            d_input > 0 && d_hidden > 0 && layers > 0 && self.projection != Some(0),
            "[d_input, d_hidden, layers] = [{d_input}, {d_hidden}, {layers}] and the projection ({:?}) must be at least 1",
            self.projection
        );
        if let Some(width) = self.projection {
            assert!(C::PROJECTION, "projection: {:?} does not support a projection, only LSTM and RNN do", self.cell);
            assert!(width < d_hidden, "projection: the width {width} must be less than d_hidden = {d_hidden}");
        }
        let directions = 1 + usize::from(bidirectional);
        let d_output = self.projection.unwrap_or(d_hidden);
        let layer = |l: usize| {
            let d_input = if l == 0 { d_input } else { d_output * directions };
            let (projection, bias, norm) = (self.projection, self.bias, self.layer_norm);
            let widths = Widths { d_input, d_hidden, projection, bias, norm };
            Layer { directions: (0..directions).map(|_| Weights::init::<C>(&widths, device)).collect() }
        };
        Recurrent {
            layers: (0..layers).map(layer).collect(),
            dropout: Dropout::new(self.dropout),
            regularizers: Regularizers::new(self.recurrent_dropout, self.zoneout),
            d_output: d_output * directions,
            recompute: self.recompute,
            cell: self.cell.clone(),
        }
    }
}

impl RecurrentConfig<RnnCell> {
    /// Sets the activation; default tanh.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { cell: RnnCell { activation }, ..self }
    }
}

impl RecurrentConfig<GruCell> {
    /// Sets where the reset gate is applied; default after the recurrent product.
    #[must_use]
    pub fn with_reset(self, reset: Reset) -> Self {
        Self { cell: GruCell { reset }, ..self }
    }
}

impl RecurrentConfig<LstmCell> {
    /// Projects the hidden state to `width`, less than `d_hidden` (Sak et al. 2014), like PyTorch's `proj_size`.
    #[must_use]
    pub fn with_projection(self, width: usize) -> Self {
        Self { projection: Some(width), ..self }
    }
}

/// A recurrent network: stacked layers of one cell, in one or two directions.
///
/// Dropout between layers, recurrent dropout and zoneout sample masks in training mode, that is, if the parameters are
/// on a device with autodiff, unless `valid()` or `freeze()` turned it off. The devices of input and state do not
/// matter ([`DropoutRate`](elman_layers::DropoutRate#training-or-not)).
///
/// Use it as [`Rnn`], [`Gru`], [`Lstm`], [`MinGru`] or [`MinLstm`], or with a custom [`Cell`].
#[derive(Module, Debug)]
pub struct Recurrent<C: Cell> {
    /// From the input to the output.
    pub layers: Vec<Layer>,
    dropout: Dropout,
    regularizers: Regularizers,
    d_output: usize,
    recompute: bool,
    #[module(skip)]
    cell: C,
}

/// The weights of one layer.
#[derive(Module, Debug)]
pub struct Layer {
    /// Forward and, if the layer is bidirectional, reverse.
    pub directions: Vec<Weights>,
}

impl<C: Cell> Recurrent<C> {
    /// Runs the whole sequence from `state`, or from zeros.
    ///
    /// # Shapes
    /// - `x`: `[batch, time, d_input]`
    /// - output: `[batch, time, directions·d_output]`
    ///
    /// # Panics
    /// If `x` or `state` has the wrong shape, has another dtype than the parameters ([`cast`](elman_layers::cast)
    /// changes theirs), or is on another device. Devices with and without autodiff are compatible.
    pub fn forward(&self, x: Tensor<3>, state: Option<State>) -> (Tensor<3>, State) {
        let out = self.forward_with(x, Sequence::new().with_state(state));
        (out.output, out.state)
    }

    /// Runs a batch of sequences with the options of [`Sequence`]: lengths, initial state, all states.
    ///
    /// # Shapes
    /// As [`forward`](Recurrent::forward).
    ///
    /// # Panics
    /// As [`forward`](Recurrent::forward), and if there is not one length per row, or a length exceeds the number of
    /// time steps.
    pub fn forward_with(&self, x: Tensor<3>, sequence: Sequence) -> Output {
        Stack {
            cell: &self.cell,
            layers: self.directions(),
            dropout: &self.dropout,
            regularizers: Some(&self.regularizers),
            recompute: self.recompute,
        }
        .run(x, sequence)
    }

    /// Runs one time step: the same values as [`forward`](Recurrent::forward) of a sequence of length 1.
    ///
    /// # Shapes
    /// - `x`: `[batch, d_input]`
    /// - output: `[batch, d_output]`
    ///
    /// # Panics
    /// If the network is bidirectional: its outputs depend on the whole sequence.
    pub fn step(&self, x: Tensor<2>, state: Option<State>) -> (Tensor<2>, State) {
        assert!(!self.bidirectional(), "step: a bidirectional network needs whole sequences; use forward");
        let (output, state) = self.forward(x.unsqueeze_dim(1), state);
        (output.squeeze_dim(1), state)
    }

    /// Packs the weights for inference on the CPU, as f32 or in fewer bits. Dropout is not applied.
    ///
    /// # Errors
    /// [`PackError`](crate::packed::PackError) if the cell has no CPU kernel, or a weight is not finite and `dtype` is
    /// `int8`.
    pub fn pack(&self, dtype: WeightDtype) -> Result<Packed, PackError> {
        pack(&self.cell, self.directions(), self.regularizers.zoneout_rates(), dtype)
    }

    fn directions(&self) -> Vec<Vec<DirectionWeights>> {
        self.layers.iter().map(|layer| layer.directions.iter().map(Weights::tensors).collect()).collect()
    }

    /// Width of the output: directions × hidden units, or directions × width of the projection.
    pub fn d_output(&self) -> usize {
        self.d_output
    }

    /// Whether each layer runs in both directions.
    pub fn bidirectional(&self) -> bool {
        self.layers[0].directions.len() == 2
    }

    /// The cell's settings.
    pub fn cell(&self) -> &C {
        &self.cell
    }
}
