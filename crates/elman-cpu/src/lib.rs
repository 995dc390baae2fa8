//! CPU kernels for recurrent layers and for a language model's output layer. The crate needs no tensor library.
//!
//! A recurrence multiplies the hidden state by the same weights at every time step. A general matrix product packs them
//! again each time and leaves the gates to separate loops. Here the weights are packed once per sequence, and the cell
//! runs on the sums while they are in registers.
//!
//! A [`Kernel`] combines a [cell's pointwise math](cell::Pointwise) with the scan over it: [`forward()`] and
//! [`backward()`] for every instruction set, single- or multithreaded, in both directions, with ragged batches and all
//! [`ScanOptions`].

mod backward;
pub mod cell;
mod cross_entropy;
mod forward;
mod isa;
mod kernel;
mod layout;
mod linear;
pub mod math;
mod matmul;
mod multiply;
mod norm;
mod options;
mod packed;
mod panels;
mod product;
mod sequence;
mod sums;
mod threading;
mod weight_dtype;

pub use backward::{Backward, BackwardInto, backward};
pub use cross_entropy::{LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};
pub use forward::{Forward, forward};
pub use isa::{Isa, IsaError};
pub use kernel::Kernel;
pub use layout::saved_len;
pub use linear::{Linear, LinearInto, linear, linear_backward};
pub use options::{LayerNorm, ScanOptions, Zoneout};
pub use packed::{LayerWeights, PackedLayer, PackedLinear, SequenceBatch, Workspace};
pub use pulp::Simd;
pub use sequence::Sequences;
pub use threading::threads;
pub use weight_dtype::{UnknownWeightDtype, WeightDtype};
