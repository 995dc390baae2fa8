use burn::tensor::{Tensor, activation};

use crate::{Needs, Pointwise, Real, Sigmoid, Softplus};

/// The sigmoid linear unit, also called swish, `f(x) = x·σ(x)` (Hendrycks & Gimpel 2016, section 2; Elfwing et al.
/// 2018). `f` is NaN at −∞ and `f′` at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Silu;

impl Pointwise for Silu {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        gated(x, x)
    }

    fn df<R: Real>(self, x: R) -> R {
        gated_derivative(x, x, R::one())
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::silu(x)
    }
}

/// `x·σ(z)`, the form of SiLU and of both approximations of GELU.
pub(crate) fn gated<R: Real>(x: R, z: R) -> R {
    x * Sigmoid.f(z)
}

/// `d/dx x·σ(z) = σ(z)·(1 + x·z′·σ(−z))`.
pub(crate) fn gated_derivative<R: Real>(x: R, z: R, dz: R) -> R {
    Sigmoid.f(z) * (R::one() + x * dz * Sigmoid.f(-z))
}

/// Mish, `f(x) = x·tanh(ln(1 + eˣ))` (Misra 2019, eq. 1). `f` is NaN at −∞ and `f′` at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mish;

impl Pointwise for Mish {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        x * Softplus.f(x).tanh()
    }

    fn df<R: Real>(self, x: R) -> R {
        let t = Softplus.f(x).tanh();
        t + x * (R::one() - t * t) * Sigmoid.f(x)
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::mish(x)
    }
}
