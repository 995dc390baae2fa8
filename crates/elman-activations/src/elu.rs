use burn::tensor::Tensor;

use crate::{Needs, Pointwise, Real};

/// The exponential linear unit, `f(x) = x if x > 0, alpha·(eˣ − 1) otherwise` (Clevert et al. 2016).
/// `f′(0) = alpha`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Elu {
    /// The limit at −∞ is `-alpha`. 1 by default.
    pub alpha: f64,
}

impl Default for Elu {
    fn default() -> Self {
        Self { alpha: 1.0 }
    }
}

impl Pointwise for Elu {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        if x <= R::zero() { R::of(self.alpha) * x.exp_m1() } else { x }
    }

    fn df<R: Real>(self, x: R) -> R {
        if x <= R::zero() { R::of(self.alpha) * x.exp() } else { R::one() }
    }

    // burn's elu also computes `exp` of positive inputs, so its gradient is NaN from x = 89 on. Here positive inputs
    // are replaced by 0 first. `eˣ − 1` is computed as 2t/(1 − t) with t = tanh(x/2), which is accurate near 0.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        let negative = x.clone().lower_equal_elem(0);
        let t = (x.clone().mask_fill(negative.clone().bool_not(), 0) * 0.5).tanh();
        let exponential = t.clone() * (2.0 * self.alpha) / (-t + 1.0);
        x.mask_where(negative, exponential)
    }
}

/// The scaled exponential linear unit, `f(x) = λ·x if x > 0, λ·α·(eˣ − 1) otherwise`, with λ and α such that mean 0 and
/// variance 1 is a fixed point (Klambauer et al. 2017, eq. 2).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Selu;

impl Selu {
    /// `α`, rounded to f64.
    pub const ALPHA: f64 = 1.673_263_242_354_377_2;
    /// `λ`, rounded to f64.
    pub const LAMBDA: f64 = 1.050_700_987_355_480_5;
    const ELU: Elu = Elu { alpha: Self::ALPHA };
}

impl Pointwise for Selu {
    const NEEDS: Needs = Needs::Input;

    fn f<R: Real>(self, x: R) -> R {
        R::of(Self::LAMBDA) * Self::ELU.f(x)
    }

    fn df<R: Real>(self, x: R) -> R {
        R::of(Self::LAMBDA) * Self::ELU.df(x)
    }

    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D> {
        Self::ELU.apply(x) * Self::LAMBDA
    }
}
