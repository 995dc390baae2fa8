use burn::tensor::{Tensor, activation};

use crate::{Needs, Pointwise, Real};

/// The logistic function, `f(x) = σ(x) = 1 / (1 + e⁻ˣ)`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sigmoid;

impl Pointwise for Sigmoid {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        (R::one() + (-x).exp()).recip()
    }

    fn df<R: Real>(self, y: R) -> R {
        y * (R::one() - y)
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::sigmoid(x)
    }
}

/// The piecewise linear sigmoid, `f(x) = min(max(x/6 + 1/2, 0), 1)` (Howard et al. 2019, section 5.2).
///
/// Maximum difference from [`Sigmoid`]: 6.92e-2, near x = ±1.32. `f′(±3) = 0`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HardSigmoid;

impl Pointwise for HardSigmoid {
    const NEEDS: Needs = Needs::Output;

    fn f<R: Real>(self, x: R) -> R {
        if x <= R::of(-3.0) {
            R::zero()
        } else if x >= R::of(3.0) {
            R::one()
        } else {
            x / R::of(6.0) + R::of(0.5)
        }
    }

    fn df<R: Real>(self, y: R) -> R {
        if y > R::zero() && y < R::one() { R::of(1.0 / 6.0) } else { R::zero() }
    }

    // burn's hard_sigmoid has derivative 1/6 at ±3.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let inside = x.clone().abs().lower_elem(3);
        let line = x * (1.0 / 6.0) + 0.5;
        line.clone().detach().clamp(0, 1).mask_where(inside, line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_bound::assert_documented;

    #[test]
    fn the_documented_error_matches_the_measured_error() {
        assert_documented(include_str!("sigmoid.rs"), HardSigmoid, "Sigmoid", Sigmoid);
    }
}
