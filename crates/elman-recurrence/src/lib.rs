//! Recurrent layers for [burn](https://burn.dev) with the features of PyTorch's: [`ElmanNetwork`], [`Rnn`], [`Gru`],
//! [`Lstm`], [`MinGru`], [`MinLstm`], and custom [`Cell`]s.
//!
//! All layers support stacking, one or two directions, dropout between layers, optional biases, initial and final
//! states, ragged batches with lengths, single steps, the states of all time steps, and weights from PyTorch; all but
//! [`ElmanNetwork`] also support layer normalization, recurrent dropout, zoneout and recomputation.
//!
//! ```
//! use burn::tensor::{Device, Distribution, Tensor};
//! use elman_recurrence::{LstmConfig, Sequence};
//!
//! let device = Device::flex();
//! let lstm = LstmConfig::new(16, 32).with_layers(2).init(&device);
//! let x = Tensor::random([8, 20, 16], Distribution::Default, &device);
//!
//! let (output, state) = lstm.forward(x.clone(), None);
//! assert_eq!(output.dims(), [8, 20, 32]);
//!
//! // continue from the final state
//! let (_, state) = lstm.forward(x.clone(), Some(state.detach()));
//! assert_eq!(state.hidden().dims(), [2, 8, 32]);
//!
//! // rows of different lengths
//! let out = lstm.forward_with(x, Sequence::new().with_lengths(&[20, 3, 7, 20, 1, 9, 12, 5]));
//! assert_eq!(out.output.dims(), [8, 20, 32]);
//! ```
//!
//! # Design
//! A [`Cell`] defines the equations of one time step; the [`scan`](mod@scan) runs a cell over the time steps of a
//! batch. Stacking of layers and directions is implemented once for all cells.
//!
//! # Axes
//! `[batch, time, feature]` in the public API, `[time, batch, feature]` inside the scan. The order of gates and the
//! names of weights are PyTorch's.

pub mod cell;
mod elman_network;
mod error;
mod gradients;
mod layer;
mod network;
mod options;
pub mod packed;
mod parameters;
mod regularizers;
pub mod scan;
mod sequence;
mod stack;
mod state;
mod state_dict;
mod weights;

pub use cell::{Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, Reset, RnnCell};
/// The CPU kernels, which a custom [`Cell`] can provide: see [`Cell::kernel`].
pub use elman_cpu as kernels;
/// The GPU kernels: see [`Cell::cube_kernel`].
#[cfg(feature = "cube")]
pub use elman_cube as cube_kernels;
pub use elman_network::{ElmanNetwork, ElmanNetworkConfig};
pub use error::{EnvironmentError, ImportError, StateError};
pub use gradients::named_gradients;
pub use layer::{
    Gru, GruConfig, Layer, Lstm, LstmConfig, MinGru, MinGruConfig, MinLstm, MinLstmConfig, Recurrent, RecurrentConfig,
    Rnn, RnnConfig,
};
pub use network::{CellKind, Network, NetworkConfig, UnknownCell};
pub use packed::Packed;
pub use sequence::{LayerStates, Output, Sequence};
pub use state::State;
pub use state_dict::{RecurrentModel, StateDict, Vocabulary};
pub use weights::Weights;
