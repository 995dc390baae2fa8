//! Activation functions with derivatives: scalar forms for kernels, tensor forms for every burn backend, and an enum
//! for configuration files.
//!
//! Each function is a type that implements [`Pointwise`]: the value [`f`](Pointwise::f); the derivative
//! [`df`](Pointwise::df), computed from the input or the output, see [`NEEDS`](Pointwise::NEEDS); and the tensor form
//! [`apply`](Pointwise::apply). [`Activation`] selects one at run time.
//!
//! | name           | type            | f(x)                                        |
//! |----------------|-----------------|---------------------------------------------|
//! | `identity`     | [`Identity`]    | x                                           |
//! | `relu`         | [`Relu`]        | max(x, 0)                                   |
//! | `leaky_relu`   | [`LeakyRelu`]   | x if x > 0, slope·x otherwise               |
//! | `elu`          | [`Elu`]         | x if x > 0, alpha·(eˣ − 1) otherwise        |
//! | `selu`         | [`Selu`]        | λ·x if x > 0, λ·α·(eˣ − 1) otherwise        |
//! | `gelu`         | [`Gelu`]        | ½·x·(1 + erf(x/√2))                         |
//! | `gelu_tanh`    | [`GeluTanh`]    | ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))    |
//! | `gelu_sigmoid` | [`GeluSigmoid`] | x·σ(1.702·x)                                |
//! | `silu`         | [`Silu`]        | x·σ(x)                                      |
//! | `mish`         | [`Mish`]        | x·tanh(ln(1 + eˣ))                          |
//! | `sigmoid`      | [`Sigmoid`]     | σ(x) = 1 / (1 + e⁻ˣ)                        |
//! | `hard_sigmoid` | [`HardSigmoid`] | min(max(x/6 + ½, 0), 1)                     |
//! | `tanh`         | [`Tanh`]        | tanh(x)                                     |
//! | `hard_tanh`    | [`HardTanh`]    | min(max(x, −1), 1)                          |
//! | `softplus`     | [`Softplus`]    | ln(1 + eˣ)                                  |
//! | `softsign`     | [`Softsign`]    | x / (1 + \|x\|)                             |
//!
//! [`softmax`] and [`log_softmax`] are not element-wise: they are functions with an axis.
//!
//! Values and derivatives match PyTorch's, including at ±0, ±∞, NaN and points without a derivative.
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use elman_activations::Activation;
//!
//! # #[cfg(feature = "flex")] {
//! let x = Tensor::<1>::from_floats([-1.0, 0.0, 2.0], &Device::flex());
//! let y = Activation::Relu.apply(x);
//! assert_eq!(y.to_data().try_to_vec::<f32>().unwrap(), [0.0, 0.0, 2.0]);
//! # }
//! ```

mod activation;
mod elu;
#[cfg(test)]
mod error_bound;
mod gelu;
mod name;
mod pointwise;
mod real;
mod relu;
mod sigmoid;
mod silu;
mod softmax;
mod softplus;
mod tanh;

pub use activation::Activation;
pub use elu::{Elu, Selu};
pub use gelu::{Gelu, GeluSigmoid, GeluTanh};
pub use name::ParseActivationError;
pub use pointwise::{Needs, Pointwise};
pub use real::Real;
pub use relu::{Identity, LeakyRelu, Relu};
pub use sigmoid::{HardSigmoid, Sigmoid};
pub use silu::{Mish, Silu};
pub use softmax::{log_softmax, log_softmax_slice, log_softmax_vjp, softmax, softmax_slice, softmax_vjp};
pub use softplus::Softplus;
pub use tanh::{HardTanh, Softsign, Tanh};
