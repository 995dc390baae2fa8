use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use burn::tensor::{Tensor, activation};

use crate::{
    Needs, Pointwise, Real,
    silu::{gated, gated_derivative},
};

/// The Gaussian error linear unit, `f(x) = x·Φ(x) = x·½·(1 + erf(x/√2))` (Hendrycks & Gimpel 2016, section 2).
///
/// `f` is NaN at −∞ and `f′` at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Gelu;

impl Pointwise for Gelu {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        x * normal_cdf(x)
    }

    /// `Φ(x) + x·φ(x)` with the normal density `φ(x) = e^(−x²/2) / √(2π)`.
    fn df<R: Real>(self, x: R) -> R {
        let density = R::of(0.5 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2) * (-x * x * R::of(0.5)).exp();
        normal_cdf(x) + x * density
    }

    // On several backends burn's gelu differentiates the tanh approximation instead.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let erf = (x.clone() * FRAC_1_SQRT_2).erf();
        x * ((erf + 1.0) * 0.5)
    }
}

/// `Φ(x) = ½·erfc(−x/√2)`, which is accurate far below 0, where `1 + erf` cancels.
fn normal_cdf<R: Real>(x: R) -> R {
    R::of(0.5) * (-x * R::of(FRAC_1_SQRT_2)).erfc()
}

/// The tanh approximation of GELU, `f(x) = ½·x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))` (Hendrycks & Gimpel 2016,
/// section 2).
///
/// Maximum difference from [`Gelu`]: 4.73e-4, near x = ±2.70.
/// `f` is NaN at −∞ and `f′` at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeluTanh;

/// Coefficients of twice the argument of tanh, `2·√(2/π)·x·(1 + c·x²)`, because `½·(1 + tanh(u)) = σ(2u)`.
const TWICE_SQRT_2_OVER_PI: f64 = 2.0 * FRAC_2_SQRT_PI * FRAC_1_SQRT_2;
const CUBIC: f64 = 0.044715;

impl Pointwise for GeluTanh {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        gated(x, R::of(TWICE_SQRT_2_OVER_PI) * x * (R::one() + R::of(CUBIC) * x * x))
    }

    fn df<R: Real>(self, x: R) -> R {
        let z = R::of(TWICE_SQRT_2_OVER_PI) * x * (R::one() + R::of(CUBIC) * x * x);
        let dz = R::of(TWICE_SQRT_2_OVER_PI) * (R::one() + R::of(3.0 * CUBIC) * x * x);
        gated_derivative(x, z, dz)
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        activation::gelu_approximate(x)
    }
}

/// The sigmoid approximation of GELU, `f(x) = x·σ(1.702·x)` (Hendrycks & Gimpel 2016, section 2).
///
/// Maximum difference from [`Gelu`]: 2.03e-2, near x = ±2.27.
/// `f` is NaN at −∞ and `f′` at ±∞, as in PyTorch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GeluSigmoid;

const STEEPNESS: f64 = 1.702;

impl Pointwise for GeluSigmoid {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        gated(x, R::of(STEEPNESS) * x)
    }

    fn df<R: Real>(self, x: R) -> R {
        gated_derivative(x, R::of(STEEPNESS) * x, R::of(STEEPNESS))
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        x.clone() * activation::sigmoid(x * STEEPNESS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error_bound::assert_documented;

    #[test]
    fn documented_errors_match_measured_errors() {
        let docs = include_str!("gelu.rs");
        assert_documented(docs, GeluTanh, "Gelu", Gelu);
        assert_documented(docs, GeluSigmoid, "Gelu", Gelu);
    }

    #[test]
    fn gelu_is_accurate_far_below_zero() {
        // Φ(−10) to 16 digits, from tables of the normal distribution
        let expected = -10.0 * 7.619853024160527e-24;
        assert!((Gelu.f(-10.0f64) / expected - 1.0).abs() < 1e-14);
    }
}
