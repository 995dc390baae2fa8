//! Layers around a recurrent network that burn-nn does not have: dense layers with an activation, feed-forward stacks
//! that return their hidden activations, the dropout variants of recurrent language models, an output layer tied to the
//! embedding, fused linear cross-entropy, residual stacks; and a dropout that is faster on CPUs.
//!
//! Linear maps, embeddings and normalization are burn-nn's. Axes are `[batch, time, feature]`; layers that work on the
//! last axis only accept any number of axes before it.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use elman_activations::Activation;
//! use elman_layers::FeedForwardConfig;
//!
//! # #[cfg(feature = "flex")] {
//! let device = Device::flex();
//! let network = FeedForwardConfig::new([784, 128, 10]).with_activation(Activation::Tanh).init(&device);
//! let (logits, hidden) = network.forward_hidden(Tensor::<2>::zeros([32, 784], &device));
//! assert_eq!(logits.dims(), [32, 10]);
//! assert_eq!(hidden[0].dims(), [32, 128]);
//! # }
//! ```
//!
//! Dropout is active in training mode, which [`DropoutRate`] defines: `module.valid()` disables it, and parameters on a
//! device without autodiff are never in training mode. The input's device does not matter.

mod cast;
pub mod cpu;
mod cross_entropy;
mod dense;
pub mod device;
mod dropout;
mod feed_forward;
mod residual;
mod tied;

pub use cast::cast;
pub use cross_entropy::linear_cross_entropy;
pub use dense::{Dense, DenseConfig};
pub use dropout::{Dropout, DropoutRate, EmbeddingDropout, LockedDropout, WeightDrop};
pub use feed_forward::{FeedForward, FeedForwardConfig};
pub use residual::{Branch, Residual, ResidualStack};
pub use tied::{TiedOutput, TiedOutputConfig};
