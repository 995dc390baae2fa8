use burn::tensor::{Tensor, activation};

use crate::{Needs, Pointwise, Real};

/// The hyperbolic tangent, `f(x) = tanh(x) = (eˣ − e⁻ˣ) / (eˣ + e⁻ˣ)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tanh;

impl Pointwise for Tanh {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        x.tanh()
    }

    fn df<R: Real>(self, y: R) -> R {
        R::one() - y * y
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        x.tanh()
    }
}

/// The piecewise linear hyperbolic tangent, `f(x) = min(max(x, −1), 1)` (Collobert 2004).
///
/// Maximum difference from [`Tanh`]: 2.38e-1, near x = ±1.00. `f′(±1) = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HardTanh;

impl Pointwise for HardTanh {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        if x <= -R::one() {
            -R::one()
        } else if x >= R::one() {
            R::one()
        } else {
            x
        }
    }

    fn df<R: Real>(self, y: R) -> R {
        if y.abs() >= R::one() { R::zero() } else { R::one() }
    }

    // burn's hardtanh has derivative 1 at ±1.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let outside = x.clone().abs().greater_equal_elem(1);
        let bound = x.clone().detach().sign();
        x.mask_where(outside, bound)
    }
}

/// The algebraic sigmoid, `f(x) = x / (1 + |x|)` (Bergstra et al. 2009). NaN at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Softsign;

impl Pointwise for Softsign {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        x / (R::one() + x.abs())
    }

    /// `(1 − |y|)²`.
    fn df<R: Real>(self, y: R) -> R {
        (R::one() - y.abs()).powi(2)
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::softsign(x)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_bound::assert_documented;

    #[test]
    fn the_documented_error_matches_the_measured_error() {
        assert_documented(include_str!("tanh.rs"), HardTanh, "Tanh", Tanh);
    }
}
