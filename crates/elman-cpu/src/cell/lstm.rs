use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, sigmoid_backward, tanh_backward};
use crate::math::{sigmoid, tanh};

/// The LSTM with a forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000). Gates: i, f, g, o, which it saves.
///
/// ```text
/// c' = σ(f) c + σ(i) tanh(g)    h' = σ(o) tanh(c')
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl Pointwise for Lstm {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const SAVED: usize = 4;
    const USES_PREV_HIDDEN: bool = false;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let i = sigmoid(s, s.add_f32s(input[0], recurrent[0]));
        let f = sigmoid(s, s.add_f32s(input[1], recurrent[1]));
        let g = tanh(s, s.add_f32s(input[2], recurrent[2]));
        let o = sigmoid(s, s.add_f32s(input[3], recurrent[3]));
        let c = s.mul_add_f32s(f, state[1], s.mul_f32s(i, g));
        ([s.mul_f32s(o, tanh(s, c)), c], [i, f, g, o])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let [i, f, g, o] = step.saved;
        let [dh, dc] = step.gradient;
        let c = s.mul_add_f32s(f, step.before[1], s.mul_f32s(i, g));
        let y = tanh(s, c);
        let dc = s.add_f32s(dc, tanh_backward(s, s.mul_f32s(dh, o), y));
        let gates = [
            sigmoid_backward(s, s.mul_f32s(dc, g), i),
            sigmoid_backward(s, s.mul_f32s(dc, step.before[1]), f),
            tanh_backward(s, s.mul_f32s(dc, i), g),
            sigmoid_backward(s, s.mul_f32s(dh, y), o),
        ];
        Gradients { input: gates, recurrent: gates, state: [s.splat_f32s(0.0), s.mul_f32s(dc, f)] }
    }
}
