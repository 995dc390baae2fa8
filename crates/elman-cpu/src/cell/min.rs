//! Cells without a recurrent product: their gates do not see the state.

use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, through_sigmoid};
use crate::math::{exp, sigmoid};

/// minGRU (Feng et al. 2024, section 3.1 and appendix B); gates z, h̃. Saves the shares and g(h̃).
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
        let is_kept = s.less_than_f32s(input[0], zero);
        let smaller = sigmoid(s, s.neg_f32s(s.abs_f32s(input[0])));
        let (saved, candidate) = (save(s, smaller, is_kept), positive(s, input[1]));
        ([mix(s, smaller, is_kept, state[0], candidate), zero], [saved, candidate, zero, zero])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([saved, candidate, ..], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let (zero, shares) = (s.splat_f32s(0.0), Shares::saved(s, saved));
        let dz = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(candidate, h)), shares.product(s));
        let by = [dz, through_positive(s, s.mul_f32s(dh, shares.taken), candidate), zero, zero];
        Gradients { input: by, recurrent: by, state: [s.mul_f32s(dh, shares.kept), zero] }
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B); gates f, i, h̃. Saves the shares, g(h̃), 1 − σ(f) and
/// 1 − σ(i).
///
/// ```text
/// f' = σ(f) / (σ(f) + σ(i))     i' = 1 − f'     h' = f' h + i' g(h̃)
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
        let is_kept = s.less_than_f32s(of_f, of_i);
        let smaller = s.div_f32s(s.min_f32s(of_f, of_i), s.add_f32s(of_i, of_f));
        let (saved, candidate) = (save(s, smaller, is_kept), positive(s, input[2]));
        let h = mix(s, smaller, is_kept, state[0], candidate);
        ([h, zero], [saved, candidate, sigmoid(s, f), sigmoid(s, i)])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([saved, candidate, not_f, not_i], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let (zero, shares) = (s.splat_f32s(0.0), Shares::saved(s, saved));
        // f' is the sigmoid of ln σ(f) − ln σ(i), and d ln σ(f) = 1 − σ(f)
        let by_ratio = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(h, candidate)), shares.product(s));
        let by_candidate = through_positive(s, s.mul_f32s(dh, shares.taken), candidate);
        let by = [s.mul_f32s(by_ratio, not_f), s.neg_f32s(s.mul_f32s(by_ratio, not_i)), by_candidate, zero];
        Gradients { input: by, recurrent: by, state: [s.mul_f32s(dh, shares.kept), zero] }
    }
}

/// How much of the state is kept, and how much of the candidate is taken: both are precise, also where one is almost 1. Nothing
/// bounds a candidate, and what is lost of a small share would be multiplied by it.
#[derive(Clone, Copy)]
struct Shares<V> {
    kept: V,
    taken: V,
}

impl<V: Copy> Shares<V> {
    /// From what [`save`] made.
    #[inline(always)]
    fn saved<S: Simd<f32s = V>>(s: S, saved: V) -> Self {
        let (smaller, is_kept) = (s.abs_f32s(saved), s.less_than_f32s(saved, s.splat_f32s(0.0)));
        let larger = s.sub_f32s(s.splat_f32s(1.0), smaller);
        Self { kept: s.select_f32s(is_kept, larger, smaller), taken: s.select_f32s(is_kept, smaller, larger) }
    }

    /// The slope of either by what its sigmoid is taken of.
    #[inline(always)]
    fn product<S: Simd<f32s = V>>(self, s: S) -> V {
        s.mul_f32s(self.kept, self.taken)
    }
}

/// `state + i' (candidate − state)` or `candidate + f' (state − candidate)`, whichever share is the smaller: the other way round
/// a large candidate would cancel.
#[inline(always)]
fn mix<S: Simd>(s: S, smaller: S::f32s, is_kept: S::m32s, state: S::f32s, candidate: S::f32s) -> S::f32s {
    let (more, less) = (s.select_f32s(is_kept, state, candidate), s.select_f32s(is_kept, candidate, state));
    s.mul_add_f32s(smaller, s.sub_f32s(less, more), more)
}

/// Two shares in one number: the smaller one, negative where more is kept, and never zero, which has no such sign.
#[inline(always)]
fn save<S: Simd>(s: S, smaller: S::f32s, is_kept: S::m32s) -> S::f32s {
    let least = s.splat_f32s(f32::MIN_POSITIVE);
    let smaller = s.select_f32s(s.less_than_f32s(smaller, least), least, smaller); // in this order NaN stays NaN
    s.select_f32s(is_kept, s.neg_f32s(smaller), smaller)
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
