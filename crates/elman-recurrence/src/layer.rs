use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use elman_activations::Activation;
use elman_layers::Dropout;
use serde::{Deserialize, Serialize};

use crate::{
    cell::{Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, Reset, RnnCell},
    noise::Noise,
    options::{stack_options, variant_options},
    packed::{PackError, Packed, WeightDtype, pack},
    sequence::{Output, Sequence},
    stack::{Direction, Stack},
    state::State,
    weights::{Weights, Widths},
};

/// A simple recurrent layer, as `torch.nn.RNN`; see [`RnnCell`].
pub type Rnn = Recurrent<RnnCell>;
/// A gated recurrent unit, as `torch.nn.GRU`, or with the reset gate before the product; see [`GruCell`].
pub type Gru = Recurrent<GruCell>;
/// Long short-term memory, as `torch.nn.LSTM`; see [`LstmCell`].
pub type Lstm = Recurrent<LstmCell>;
/// A minimal gated unit without recurrent weights, parallel over time; see [`MinGruCell`].
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

/// Configuration of a recurrent network of any cell.
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
    /// Hidden units per layer and direction.
    pub d_hidden: usize,
    /// Layers upon each other.
    pub layers: usize,
    /// Whether each layer also reads the sequence backwards; outputs of both directions lie side by side.
    pub bidirectional: bool,
    /// Probability with which an element between two layers is dropped in training.
    pub dropout: f64,
    /// Whether there are biases.
    pub bias: bool,
    /// Width that the hidden state is projected to, below `d_hidden`; for cells that [can](Cell::PROJECTION): the LSTM and the
    /// RNN.
    pub projection: Option<usize>,
    /// Whether the two products are normalised before their biases are added.
    #[serde(default)]
    pub layer_norm: bool,
    /// Probability with which an element of the hidden state is dropped from the recurrent product in training.
    #[serde(default)]
    pub recurrent_dropout: f64,
    /// Probabilities with which an element of the hidden state, and of the LSTM's cell state, stays as it was.
    #[serde(default)]
    pub zoneout: [f64; 2],
    /// Whether training computes the gates of a layer again instead of keeping them.
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

    variant_options!();

    /// Makes the layers, with weights uniform in ±1/√d_hidden as PyTorch's.
    ///
    /// # Panics
    /// If a width or the number of layers is 0, a probability is not in [0, 1), the projection is not narrower than the hidden state,
    /// or the cell can have none.
    pub fn init(&self, device: &Device) -> Recurrent<C> {
        let Self { d_input, d_hidden, layers, bidirectional, .. } = *self;
        assert!(
            d_input > 0 && d_hidden > 0 && layers > 0 && self.projection != Some(0),
            "[d_input, d_hidden, layers] = [{d_input}, {d_hidden}, {layers}] and the projection ({:?}) must be at least 1",
            self.projection
        );
        if let Some(width) = self.projection {
            assert!(
                C::PROJECTION,
                "projection: the hidden state of {:?} cannot be projected, only an LSTM's and an RNN's",
                self.cell
            );
            assert!(width < d_hidden, "projection: its width {width} must be below d_hidden = {d_hidden}");
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
            noise: Noise::new(self.recurrent_dropout, self.zoneout),
            d_output: d_output * directions,
            recompute: self.recompute,
            cell: self.cell.clone(),
        }
    }
}

impl RecurrentConfig<RnnCell> {
    /// Sets the activation; tanh unless chosen otherwise.
    #[must_use]
    pub fn with_activation(self, activation: Activation) -> Self {
        Self { cell: RnnCell { activation }, ..self }
    }
}

impl RecurrentConfig<GruCell> {
    /// Sets where the reset gate acts; after the product unless chosen otherwise.
    #[must_use]
    pub fn with_reset(self, reset: Reset) -> Self {
        Self { cell: GruCell { reset }, ..self }
    }
}

impl RecurrentConfig<LstmCell> {
    /// Projects the hidden state to `width`, below `d_hidden` (Sak et al. 2014), as PyTorch's `proj_size`.
    #[must_use]
    pub fn with_projection(self, width: usize) -> Self {
        Self { projection: Some(width), ..self }
    }
}

/// A recurrent network: any number of layers of one cell, in one or two directions.
///
/// Dropout between layers, recurrent dropout and zoneout draw in training: if the parameters are on a device with autodiff, until
/// `valid()` or `freeze()` turns that off. Where the input and the state were made makes no difference
/// ([`DropoutRate`](elman_layers::DropoutRate#training-or-not)).
///
/// Use it under the names [`Rnn`], [`Gru`], [`Lstm`], [`MinGru`], [`MinLstm`], or with a [`Cell`] of one's own.
#[derive(Module, Debug)]
pub struct Recurrent<C: Cell> {
    /// From the input to the output.
    pub layers: Vec<Layer>,
    dropout: Dropout,
    noise: Noise,
    d_output: usize,
    recompute: bool,
    #[module(skip)]
    cell: C,
}

/// The weights of one layer.
#[derive(Module, Debug)]
pub struct Layer {
    /// Forward, and reverse if the layer is bidirectional.
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
    /// If `x` or `state` has other axes, is stored as another type of number than the parameters ([`cast`](elman_layers::cast)
    /// changes theirs), or is on another device; with autodiff or without it makes no difference.
    pub fn forward(&self, x: Tensor<3>, state: Option<State>) -> (Tensor<3>, State) {
        let out = self.forward_with(x, Sequence::new().with_state(state));
        (out.output, out.state)
    }

    /// Runs a batch of sequences with everything that [`Sequence`] offers: lengths, initial state, all states.
    ///
    /// # Shapes
    /// As [`forward`](Recurrent::forward).
    ///
    /// # Panics
    /// As [`forward`](Recurrent::forward), and if the lengths are not one for each row, each at most the number of time steps.
    pub fn forward_with(&self, x: Tensor<3>, sequence: Sequence) -> Output {
        Stack {
            cell: &self.cell,
            layers: self.directions(),
            dropout: &self.dropout,
            noise: Some(&self.noise),
            recompute: self.recompute,
        }
        .run(x, sequence)
    }

    /// Runs one time step: the same numbers as [`forward`](Recurrent::forward) gives for a sequence of one.
    ///
    /// # Shapes
    /// - `x`: `[batch, d_input]`
    /// - output: `[batch, d_output]`
    ///
    /// # Panics
    /// If the network is bidirectional, which has no next step before it has the last.
    pub fn step(&self, x: Tensor<2>, state: Option<State>) -> (Tensor<2>, State) {
        assert!(!self.bidirectional(), "step: a bidirectional network reads whole sequences; use forward");
        let (output, state) = self.forward(x.unsqueeze_dim(1), state);
        (output.squeeze_dim(1), state)
    }

    /// Packs the weights once, for inference on a processor: in float32, or in fewer bits. Dropout is left out.
    ///
    /// # Errors
    /// [`PackError`](crate::packed::PackError) if the cell has no kernels, or the weights are not finite and eight bits were
    /// asked for.
    pub fn pack(&self, precision: WeightDtype) -> Result<Packed, PackError> {
        pack(&self.cell, self.directions(), self.noise.rates(), precision)
    }

    fn directions(&self) -> Vec<Vec<Direction>> {
        self.layers.iter().map(|layer| layer.directions.iter().map(Weights::direction).collect()).collect()
    }

    /// Width of the output: directions × hidden units, or × the projection's width.
    pub fn d_output(&self) -> usize {
        self.d_output
    }

    /// Whether each layer also reads the sequence backwards.
    pub fn bidirectional(&self) -> bool {
        self.layers[0].directions.len() == 2
    }

    /// The cell's settings.
    pub fn cell(&self) -> &C {
        &self.cell
    }
}
