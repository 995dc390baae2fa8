//! Cells without a recurrent product: their gates do not see the state.

use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, through_sigmoid};
use crate::math::{exp, sigmoid};

/// minGRU (Feng et al. 2024, section 3.1 and appendix B); gates z, h̃. Saves both after their activations.
///
/// ```text
/// h' = h + σ(z) (g(h̃) − h)      g(v) = v + 1/2 for v ≥ 0, σ(v) otherwise
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinGru;

impl Pointwise for MinGru {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;
    const RECURRENT: bool = false;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        _: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let zero = s.splat_f32s(0.0);
        let (z, candidate) = (sigmoid(s, input[0]), positive(s, input[1]));
        let h = s.mul_add_f32s(z, s.sub_f32s(candidate, state[0]), state[0]);
        ([h, zero], [z, candidate, zero, zero])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([z, candidate, ..], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let zero = s.splat_f32s(0.0);
        let dz = through_sigmoid(s, s.mul_f32s(dh, s.sub_f32s(candidate, h)), z);
        let by = [dz, through_positive(s, s.mul_f32s(dh, z), candidate), zero, zero];
        Gradients { input: by, recurrent: by, state: [s.negate_mul_add_f32s(dh, z, dh), zero] }
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B); gates f, i, h̃. Saves f', g(h̃), 1 − σ(f) and 1 − σ(i).
///
/// ```text
/// f' = σ(f) / (σ(f) + σ(i))     h' = g(h̃) + f' (h − g(h̃))
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinLstm;

impl Pointwise for MinLstm {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    const RECURRENT: bool = false;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        _: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        // f' = (1 + e^−i) / ((1 + e^−i) + (1 + e^−f)), all divided by the largest of the powers, so that none overflows
        let zero = s.splat_f32s(0.0);
        let (f, i) = (s.neg_f32s(input[0]), s.neg_f32s(input[1]));
        let most = s.max_f32s(zero, s.max_f32s(f, i));
        let one = exp(s, s.neg_f32s(most));
        let (not_f, not_i) = (exp(s, s.sub_f32s(f, most)), exp(s, s.sub_f32s(i, most)));
        let (of_f, of_i) = (s.add_f32s(one, not_f), s.add_f32s(one, not_i));
        let keep = s.div_f32s(of_i, s.add_f32s(of_i, of_f));
        let candidate = positive(s, input[2]);
        let h = s.mul_add_f32s(keep, s.sub_f32s(state[0], candidate), candidate);
        ([h, zero], [keep, candidate, sigmoid(s, f), sigmoid(s, i)])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([keep, candidate, not_f, not_i], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let zero = s.splat_f32s(0.0);
        // f' is the sigmoid of ln σ(f) − ln σ(i), and d ln σ(f) = 1 − σ(f)
        let by_ratio = through_sigmoid(s, s.mul_f32s(dh, s.sub_f32s(h, candidate)), keep);
        let by_candidate = through_positive(s, s.negate_mul_add_f32s(dh, keep, dh), candidate);
        let by = [s.mul_f32s(by_ratio, not_f), s.neg_f32s(s.mul_f32s(by_ratio, not_i)), by_candidate, zero];
        Gradients { input: by, recurrent: by, state: [s.mul_f32s(dh, keep), zero] }
    }
}

/// `g(v)`: v + 1/2 for v ≥ 0, σ(v) otherwise; continuous and positive.
#[inline(always)]
fn positive<S: Simd>(s: S, v: S::f32s) -> S::f32s {
    let negative = s.less_than_f32s(v, s.splat_f32s(0.0));
    s.select_f32s(negative, sigmoid(s, v), s.add_f32s(v, s.splat_f32s(0.5)))
}

/// The gradient through `g` with output y, which is below 1/2 exactly where v is negative.
#[inline(always)]
fn through_positive<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    let negative = s.less_than_f32s(y, s.splat_f32s(0.5));
    s.select_f32s(negative, through_sigmoid(s, gradient, y), gradient)
}
