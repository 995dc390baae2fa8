//! CPU kernels of recurrent layers and of a language model's output layer, without a tensor library.
//!
//! A recurrence multiplies the hidden state with the same weights at every time step. A general matrix product packs them
//! anew each time, and leaves the gates to other loops; here the weights are packed once per sequence, and the cell acts
//! on the sums while they are in registers.
//!
//! A [`Kernel`] is a [cell's pointwise mathematics](cell::Pointwise) with everything that walks it: [`forward()`] and
//! [`backward()`], for every instruction set, on as many threads as there are, with lengths, in both directions, and in every
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
mod packed;
mod panels;
mod precision;
mod product;
mod sequence;
mod sums;
mod team;
mod variant;

pub use backward::{Backward, BackwardInto, backward};
pub use cross_entropy::{LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};
pub use forward::{Forward, forward};
pub use isa::{Isa, IsaError};
pub use kernel::Kernel;
pub use layout::saved_len;
pub use linear::{Linear, LinearInto, linear, linear_backward};
pub use packed::{LayerWeights, PackedLayer, PackedLinear, SequenceBatch, Workspace};
pub use precision::{UnknownWeightDtype, WeightDtype};
pub use pulp::Simd;
pub use sequence::Sequences;
pub use team::threads;
pub use variant::{LayerNorm, ScanOptions, Zoneout};
