//! Cells without a recurrent product: their gates do not depend on the state.

use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, sigmoid_backward};
use crate::math::{exp, sigmoid};

/// minGRU (Feng et al. 2024, section 3.1 and appendix B). Gates: z, h̃. Saves the mixing weights and g(h̃).
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
        let state_dominates = s.less_than_f32s(input[0], zero);
        let smaller = sigmoid(s, s.neg_f32s(s.abs_f32s(input[0])));
        let (saved, candidate) = (encode_mix(s, smaller, state_dominates), positive(s, input[1]));
        ([mix(s, smaller, state_dominates, state[0], candidate), zero], [saved, candidate, zero, zero])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([saved, candidate, ..], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let (zero, mix) = (s.splat_f32s(0.0), MixWeights::decode(s, saved));
        let dz = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(candidate, h)), mix.derivative(s));
        let gates = [dz, positive_backward(s, s.mul_f32s(dh, mix.candidate), candidate), zero, zero];
        Gradients { input: gates, recurrent: gates, state: [s.mul_f32s(dh, mix.state), zero] }
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B). Gates: f, i, h̃. Saves the mixing weights, g(h̃), 1 − σ(f)
/// and 1 − σ(i).
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
        // f' = (1 + e^−i) / ((1 + e^−i) + (1 + e^−f)), with all terms divided by the largest power to prevent overflow
        let zero = s.splat_f32s(0.0);
        let (f, i) = (s.neg_f32s(input[0]), s.neg_f32s(input[1]));
        let max = s.max_f32s(zero, s.max_f32s(f, i));
        let one = exp(s, s.neg_f32s(max));
        let (exp_f, exp_i) = (exp(s, s.sub_f32s(f, max)), exp(s, s.sub_f32s(i, max)));
        let (term_f, term_i) = (s.add_f32s(one, exp_f), s.add_f32s(one, exp_i));
        let state_dominates = s.less_than_f32s(term_f, term_i);
        let smaller = s.div_f32s(s.min_f32s(term_f, term_i), s.add_f32s(term_i, term_f));
        let (saved, candidate) = (encode_mix(s, smaller, state_dominates), positive(s, input[2]));
        let h = mix(s, smaller, state_dominates, state[0], candidate);
        ([h, zero], [saved, candidate, sigmoid(s, f), sigmoid(s, i)])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([saved, candidate, not_f, not_i], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let (zero, mix) = (s.splat_f32s(0.0), MixWeights::decode(s, saved));
        // f' is the sigmoid of ln σ(f) − ln σ(i), and d ln σ(f) = 1 − σ(f)
        let d_log_ratio = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(h, candidate)), mix.derivative(s));
        let d_candidate = positive_backward(s, s.mul_f32s(dh, mix.candidate), candidate);
        let (df, di) = (s.mul_f32s(d_log_ratio, not_f), s.neg_f32s(s.mul_f32s(d_log_ratio, not_i)));
        let gates = [df, di, d_candidate, zero];
        Gradients { input: gates, recurrent: gates, state: [s.mul_f32s(dh, mix.state), zero] }
    }
}

/// The weights of state and candidate in the next state, which add up to 1. Both are precise even if one is almost 1:
/// candidates are unbounded, so an error of a small weight is amplified by a large candidate.
#[derive(Clone, Copy)]
struct MixWeights<V> {
    state: V,
    candidate: V,
}

impl<V: Copy> MixWeights<V> {
    /// Decodes the value of [`encode_mix`].
    #[inline(always)]
    fn decode<S: Simd<f32s = V>>(s: S, saved: V) -> Self {
        let (smaller, state_dominates) = (s.abs_f32s(saved), s.less_than_f32s(saved, s.splat_f32s(0.0)));
        let larger = s.sub_f32s(s.splat_f32s(1.0), smaller);
        Self {
            state: s.select_f32s(state_dominates, larger, smaller),
            candidate: s.select_f32s(state_dominates, smaller, larger),
        }
    }

    /// The absolute derivative of either weight with respect to the argument of its sigmoid.
    #[inline(always)]
    fn derivative<S: Simd<f32s = V>>(self, s: S) -> V {
        s.mul_f32s(self.state, self.candidate)
    }
}

/// `state + i' (candidate − state)` or `candidate + f' (state − candidate)`, whichever weight is smaller. The other
/// form would cancel for a large candidate.
#[inline(always)]
fn mix<S: Simd>(s: S, smaller: S::f32s, state_dominates: S::m32s, state: S::f32s, candidate: S::f32s) -> S::f32s {
    let (more, less) =
        (s.select_f32s(state_dominates, state, candidate), s.select_f32s(state_dominates, candidate, state));
    s.mul_add_f32s(smaller, s.sub_f32s(less, more), more)
}

/// Encodes both mixing weights in one value: the smaller one, negative if the state has the larger weight. It is never
/// zero, so that the sign is not lost.
#[inline(always)]
fn encode_mix<S: Simd>(s: S, smaller: S::f32s, state_dominates: S::m32s) -> S::f32s {
    let min = s.splat_f32s(f32::MIN_POSITIVE);
    let smaller = s.select_f32s(s.less_than_f32s(smaller, min), min, smaller); // this order of operands propagates NaN
    s.select_f32s(state_dominates, s.neg_f32s(smaller), smaller)
}

/// `g(v)`: v + 1/2 for v ≥ 0, σ(v) otherwise; continuous and positive.
#[inline(always)]
fn positive<S: Simd>(s: S, v: S::f32s) -> S::f32s {
    let negative = s.less_than_f32s(v, s.splat_f32s(0.0));
    s.select_f32s(negative, sigmoid(s, v), s.add_f32s(v, s.splat_f32s(0.5)))
}

/// The gradient through `g` with output y, which is below 1/2 exactly if v is negative.
#[inline(always)]
fn positive_backward<S: Simd>(s: S, gradient: S::f32s, y: S::f32s) -> S::f32s {
    let negative = s.less_than_f32s(y, s.splat_f32s(0.5));
    s.select_f32s(negative, sigmoid_backward(s, gradient, y), gradient)
}
