//! The layers around a recurrent network that burn-nn does not have: dense layers with an activation, feed-forward
//! stacks that hand out their hidden activations, the dropouts of recurrent language models, an output layer tied to the
//! embedding, the cross-entropy of an output layer, and residual stacks; and dropout, faster on processors.
//!
//! Linear maps, embeddings and normalisations are burn-nn's own. Axes are `[batch, time, feature]`; layers that work on
//! the last axis alone take any number of axes before it.
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
//! Dropouts act in training, and [`DropoutRate`] has the one rule of what that is: `module.valid()` turns them off, and where they
//! belong to parameters that are on a plain device they never act. Where the input was made makes no difference.

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
