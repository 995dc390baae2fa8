//! CPU kernels of recurrent layers and of a language model's output layer, without a tensor library.
//!
//! A recurrence multiplies the hidden state with the same weights at every time step. A general matrix product packs them
//! anew each time, and leaves the gates to other loops; here the weights are packed once per sequence, and the cell acts
//! on the sums while they are in registers.

mod backward;
mod cell;
mod cross_entropy;
mod forward;
mod isa;
mod math;
mod matmul;
mod panels;
mod product;
mod sequence;
mod team;

pub use backward::{Backward, BackwardInto, backward};
pub use cell::Kernel;
pub use cross_entropy::{LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};
pub use forward::{Forward, forward};
pub use isa::{Isa, UnknownIsa};
pub use sequence::Sequences;
pub use team::threads;
