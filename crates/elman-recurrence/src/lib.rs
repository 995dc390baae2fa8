//! Recurrent layers on [burn](https://burn.dev), as complete as PyTorch's: [`ElmanNetwork`], [`Rnn`],
//! [`Gru`], [`Lstm`], [`MinGru`], [`MinLstm`], and a [`Cell`] of one's own.
//!
//! All of them: any number of layers, one direction or two, dropout between layers, with or without biases, an initial
//! state in and the final state out, lengths for ragged batches, one step at a time, all states on request, layer
//! normalisation, recurrent dropout, zoneout, weights from PyTorch.
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
//! // go on where the last piece ended
//! let (_, state) = lstm.forward(x.clone(), Some(state.detach()));
//! assert_eq!(state.hidden().dims(), [2, 8, 32]);
//!
//! // rows of different lengths
//! let out = lstm.forward_with(x, Sequence::new().with_lengths(&[20, 3, 7, 20, 1, 9, 12, 5]));
//! assert_eq!(out.output.dims(), [8, 20, 32]);
//! ```
//!
//! # Design
//! A layer is two things that change for different reasons. A [`Cell`] knows what happens to its gates; the
//! [`scan`](mod@scan) knows how a sequence is walked. Layers and directions are stacked in one place for all cells.
//!
//! # Axes
//! `[batch, time, feature]` in public, `[time, batch, feature]` inside the scan. Gates are packed and weights are named
//! as PyTorch does it.

pub mod cell;
mod error;
mod gradients;
mod layer;
mod network;
mod noise;
mod options;
pub mod packed;
mod parameters;
pub mod scan;
mod sequence;
mod simple;
mod stack;
mod state;
mod state_dict;
mod weights;

pub use cell::{Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, Reset, RnnCell};
/// The kernels that a [`Cell`] of one's own can bring: see [`Cell::kernel`].
pub use elman_cpu as kernels;
/// The kernels for graphics cards: see [`Cell::cube_kernel`].
#[cfg(feature = "cube")]
pub use elman_cube as cube_kernels;
pub use error::{EnvironmentError, ImportError, StateError};
pub use gradients::named_gradients;
pub use layer::{
    Gru, GruConfig, Layer, Lstm, LstmConfig, MinGru, MinGruConfig, MinLstm, MinLstmConfig, Recurrent, RecurrentConfig,
    Rnn, RnnConfig,
};
pub use network::{CellKind, Network, NetworkConfig, UnknownCell};
pub use packed::Packed;
pub use sequence::{LayerStates, Output, Sequence};
pub use simple::{ElmanNetwork, ElmanNetworkConfig};
pub use state::State;
pub use state_dict::{RecurrentModel, StateDict, Vocabulary};
pub use weights::Weights;
