use burn::tensor::{Tensor, activation};

use crate::{Needs, Pointwise, Real};

/// The identity, `f(x) = x`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Identity;

impl Pointwise for Identity {
    const NEEDS: Needs = Needs::Nothing;

    fn f<R: Real>(self, x: R) -> R {
        x
    }

    fn df<R: Real>(self, _: R) -> R {
        R::one()
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        x
    }
}

/// The rectified linear unit, `f(x) = max(x, 0)` (Nair & Hinton 2010, section 2). `f′(0) = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Relu;

impl Pointwise for Relu {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        if x < R::zero() { R::zero() } else { x }
    }

    fn df<R: Real>(self, y: R) -> R {
        if y <= R::zero() { R::zero() } else { R::one() }
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::relu(x)
    }
}

/// The leaky rectified linear unit, `f(x) = x if x > 0, slope·x otherwise` (Maas et al. 2013, section 2).
/// `f′(0) = slope`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// Slope for negative inputs. 0.01 by default.
    pub slope: f64,
}

impl Default for LeakyRelu {
    fn default() -> Self {
        Self { slope: 0.01 }
    }
}

impl Pointwise for LeakyRelu {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        if x > R::zero() { x } else { R::of(self.slope) * x }
    }

    fn df<R: Real>(self, x: R) -> R {
        if x > R::zero() { R::one() } else { R::of(self.slope) }
    }

    // burn's leaky_relu has derivative 1 at 0.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let positive = x.clone().greater_elem(0);
        (x.clone() * self.slope).mask_where(positive, x)
    }
}
