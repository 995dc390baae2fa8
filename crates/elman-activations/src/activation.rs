use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use crate::{
    Elu, Gelu, GeluSigmoid, GeluTanh, HardSigmoid, HardTanh, Identity, LeakyRelu, Mish, Needs, Pointwise, Real, Relu,
    Selu, Sigmoid, Silu, Softplus, Softsign, Tanh,
};

/// An activation function chosen at run time.
///
/// Its text form (`FromStr`, `Display`), which serde uses too, is the name of the function, with a parameter in
/// parentheses:
///
/// ```
/// use elman_activations::Activation;
///
/// let leaky: Activation = "leaky_relu(0.2)".parse()?;
/// assert_eq!(leaky, Activation::LeakyRelu { slope: 0.2 });
/// assert_eq!(leaky.f(-1.0), -0.2);
/// assert_eq!(leaky.to_string(), "leaky_relu(0.2)");
/// # Ok::<(), elman_activations::ParseActivationError>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Activation {
    /// `identity`, see [`Identity`].
    #[default]
    Identity,
    /// `relu`, see [`Relu`].
    Relu,
    /// `leaky_relu` or `leaky_relu(slope)`, see [`LeakyRelu`].
    LeakyRelu {
        /// Slope for negative inputs.
        slope: f64,
    },
    /// `elu` or `elu(alpha)`, see [`Elu`].
    Elu {
        /// The limit at −∞ is `-alpha`.
        alpha: f64,
    },
    /// `selu`, see [`Selu`].
    Selu,
    /// `gelu`, see [`Gelu`].
    Gelu,
    /// `gelu_tanh`, see [`GeluTanh`].
    GeluTanh,
    /// `gelu_sigmoid`, see [`GeluSigmoid`].
    GeluSigmoid,
    /// `silu`, see [`Silu`].
    Silu,
    /// `mish`, see [`Mish`].
    Mish,
    /// `sigmoid`, see [`Sigmoid`].
    Sigmoid,
    /// `hard_sigmoid`, see [`HardSigmoid`].
    HardSigmoid,
    /// `tanh`, see [`Tanh`].
    Tanh,
    /// `hard_tanh`, see [`HardTanh`].
    HardTanh,
    /// `softplus`, see [`Softplus`].
    Softplus,
    /// `softsign`, see [`Softsign`].
    Softsign,
}

/// Evaluates `$body` with the [`Pointwise`] value of an [`Activation`].
macro_rules! with_pointwise {
    ($activation:expr, $p:ident => $body:expr) => {
        with_pointwise!(@arms $activation, $p, $body,
            Identity, Relu, Selu, Gelu, GeluTanh, GeluSigmoid, Silu, Mish, Sigmoid, HardSigmoid, Tanh, HardTanh,
            Softplus, Softsign)
    };
    (@arms $activation:expr, $p:ident, $body:expr, $($plain:ident),*) => {
        match $activation {
            $(Activation::$plain => { let $p = $plain; $body })*
            Activation::LeakyRelu { slope } => { let $p = LeakyRelu { slope }; $body }
            Activation::Elu { alpha } => { let $p = Elu { alpha }; $body }
        }
    };
}

impl Activation {
    /// All functions, with their default parameters.
    pub const ALL: [Self; 16] = [
        Self::Identity,
        Self::Relu,
        Self::LeakyRelu { slope: 0.01 },
        Self::Elu { alpha: 1.0 },
        Self::Selu,
        Self::Gelu,
        Self::GeluTanh,
        Self::GeluSigmoid,
        Self::Silu,
        Self::Mish,
        Self::Sigmoid,
        Self::HardSigmoid,
        Self::Tanh,
        Self::HardTanh,
        Self::Softplus,
        Self::Softsign,
    ];

    /// The value `f(x)`.
    pub fn f<R: Real>(self, x: R) -> R {
        with_pointwise!(self, p => p.f(x))
    }

    /// The derivative `f′(x)`, given `x` or `f(x)`; see [`needs`](Self::needs).
    pub fn df<R: Real>(self, saved: R) -> R {
        with_pointwise!(self, p => p.df(saved))
    }

    /// The argument of [`df`](Self::df).
    pub fn needs(self) -> Needs {
        fn needs<P: Pointwise>(_: P) -> Needs {
            P::NEEDS
        }
        with_pointwise!(self, p => needs(p))
    }

    /// Applies `f` to every element; supports autodiff.
    ///
    /// # Shapes
    /// Any; the result has the shape of `x`.
    pub fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        with_pointwise!(self, p => p.apply(x))
    }
}
