use std::{fmt, str::FromStr};

use burn::{
    module::Module,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};

use crate::{
    ElmanNetwork, ElmanNetworkConfig, Gru, GruConfig, Lstm, LstmConfig, MinGru, MinGruConfig, MinLstm, MinLstmConfig,
    Output, Rnn, RnnConfig, Sequence, State,
    options::{recurrence_options, stack_options},
    packed::{PackError, Packed, WeightDtype},
};

/// The kinds of recurrent network, to choose at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CellKind {
    /// [`ElmanNetwork`]
    #[serde(alias = "simple")] // its name before 0.2
    Elman,
    /// [`Rnn`]
    Rnn,
    /// [`Gru`]
    Gru,
    /// [`Lstm`]
    #[default]
    Lstm,
    /// [`MinGru`]
    MinGru,
    /// [`MinLstm`]
    MinLstm,
}

impl CellKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Elman, Self::Rnn, Self::Gru, Self::Lstm, Self::MinGru, Self::MinLstm];

    /// The name that [`FromStr`] reads and [`Display`](fmt::Display) writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Elman => "elman",
            Self::Rnn => "rnn",
            Self::Gru => "gru",
            Self::Lstm => "lstm",
            Self::MinGru => "min-gru",
            Self::MinLstm => "min-lstm",
        }
    }
}

impl fmt::Display for CellKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The error of parsing an unknown [`CellKind`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown cell '{found}': expected elman, rnn, gru, lstm, min-gru or min-lstm")]
pub struct UnknownCell {
    /// The name.
    pub found: String,
}

impl FromStr for CellKind {
    type Err = UnknownCell;

    fn from_str(name: &str) -> Result<Self, UnknownCell> {
        let kind = Self::ALL.into_iter().find(|kind| kind.name() == name);
        kind.ok_or_else(|| UnknownCell { found: name.into() })
    }
}

/// Configuration of a [`Network`], a recurrent network whose kind of cell is chosen at run time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetworkConfig {
    /// The kind of cell.
    pub cell: CellKind,
    /// Width of the input.
    pub d_input: usize,
    /// Hidden units of each layer and direction.
    pub d_hidden: usize,
    /// Number of stacked layers.
    pub layers: usize,
    /// Whether each layer runs in both directions.
    pub bidirectional: bool,
    /// Probability of dropout between layers in training.
    pub dropout: f64,
    /// Whether the layers have biases.
    pub bias: bool,
    /// As [`RecurrentConfig::layer_norm`](crate::RecurrentConfig::layer_norm).
    #[serde(default)]
    pub layer_norm: bool,
    /// As [`RecurrentConfig::recurrent_dropout`](crate::RecurrentConfig::recurrent_dropout).
    #[serde(default)]
    pub recurrent_dropout: f64,
    /// As [`RecurrentConfig::zoneout`](crate::RecurrentConfig::zoneout).
    #[serde(default)]
    pub zoneout: [f64; 2],
    /// As [`RecurrentConfig::recompute`](crate::RecurrentConfig::recompute).
    #[serde(default)]
    pub recompute: bool,
}

impl NetworkConfig {
    /// One layer, one direction, with biases, no dropout.
    pub fn new(cell: CellKind, d_input: usize, d_hidden: usize) -> Self {
        Self {
            cell,
            d_input,
            d_hidden,
            layers: 1,
            bidirectional: false,
            dropout: 0.0,
            bias: true,
            layer_norm: false,
            recurrent_dropout: 0.0,
            zoneout: [0.0; 2],
            recompute: false,
        }
    }

    stack_options!();
    recurrence_options!();

    /// Initializes the network. The read-out of an [`ElmanNetwork`] has the width of its hidden layer.
    ///
    /// # Panics
    /// If a width or the number of layers is 0, a probability is not in [0, 1), or layer normalization, recurrent
    /// dropout, zoneout or recomputation is set for an [`ElmanNetwork`], which does not support them.
    pub fn init(&self, device: &Device) -> Network {
        macro_rules! stacked {
            ($config:expr) => {
                $config
                    .with_layers(self.layers)
                    .with_bidirectional(self.bidirectional)
                    .with_dropout(self.dropout)
                    .with_bias(self.bias)
            };
        }
        macro_rules! init {
            ($config:expr) => {
                stacked!($config)
                    .with_layer_norm(self.layer_norm)
                    .with_recurrent_dropout(self.recurrent_dropout)
                    .with_zoneout(self.zoneout[0], self.zoneout[1])
                    .with_recompute(self.recompute)
                    .init(device)
            };
        }
        let (i, h) = (self.d_input, self.d_hidden);
        match self.cell {
            CellKind::Elman => {
                let is_plain =
                    !self.recompute && !self.layer_norm && self.recurrent_dropout == 0.0 && self.zoneout == [0.0; 2];
                assert!(
                    is_plain,
                    "the Elman network has no layer normalization, recurrent dropout, zoneout or recomputation"
                );
                Network::Elman(stacked!(ElmanNetworkConfig::new(i, h, h)).init(device))
            }
            CellKind::Rnn => Network::Rnn(init!(RnnConfig::new(i, h))),
            CellKind::Gru => Network::Gru(init!(GruConfig::new(i, h))),
            CellKind::Lstm => Network::Lstm(init!(LstmConfig::new(i, h))),
            CellKind::MinGru => Network::MinGru(init!(MinGruConfig::new(i, h))),
            CellKind::MinLstm => Network::MinLstm(init!(MinLstmConfig::new(i, h))),
        }
    }
}

/// A recurrent network whose kind of cell is chosen at run time.
#[derive(Module, Debug)]
pub enum Network {
    /// See [`ElmanNetwork`].
    Elman(ElmanNetwork),
    /// See [`Rnn`].
    Rnn(Rnn),
    /// See [`Gru`].
    Gru(Gru),
    /// See [`Lstm`].
    Lstm(Lstm),
    /// See [`MinGru`].
    MinGru(MinGru),
    /// See [`MinLstm`].
    MinLstm(MinLstm),
}

macro_rules! each {
    ($network:expr, $inner:ident => $body:expr) => {
        match $network {
            Network::Elman($inner) => $body,
            Network::Rnn($inner) => $body,
            Network::Gru($inner) => $body,
            Network::Lstm($inner) => $body,
            Network::MinGru($inner) => $body,
            Network::MinLstm($inner) => $body,
        }
    };
}

impl Network {
    /// As [`Recurrent::forward`](crate::Recurrent::forward).
    pub fn forward(&self, x: Tensor<3>, state: Option<State>) -> (Tensor<3>, State) {
        each!(self, net => net.forward(x, state))
    }

    /// As [`Recurrent::forward_with`](crate::Recurrent::forward_with).
    pub fn forward_with(&self, x: Tensor<3>, sequence: Sequence) -> Output {
        each!(self, net => net.forward_with(x, sequence))
    }

    /// As [`Recurrent::step`](crate::Recurrent::step).
    pub fn step(&self, x: Tensor<2>, state: Option<State>) -> (Tensor<2>, State) {
        each!(self, net => net.step(x, state))
    }

    /// As [`Recurrent::pack`](crate::Recurrent::pack).
    ///
    /// # Errors
    /// [`PackError`].
    pub fn pack(&self, dtype: WeightDtype) -> Result<Packed, PackError> {
        each!(self, net => net.pack(dtype))
    }

    /// Width of the output.
    pub fn d_output(&self) -> usize {
        each!(self, net => net.d_output())
    }

    /// Whether each layer runs in both directions.
    pub fn bidirectional(&self) -> bool {
        each!(self, net => net.bidirectional())
    }

    /// The kind of cell.
    pub fn cell(&self) -> CellKind {
        match self {
            Self::Elman(_) => CellKind::Elman,
            Self::Rnn(_) => CellKind::Rnn,
            Self::Gru(_) => CellKind::Gru,
            Self::Lstm(_) => CellKind::Lstm,
            Self::MinGru(_) => CellKind::MinGru,
            Self::MinLstm(_) => CellKind::MinLstm,
        }
    }
}
