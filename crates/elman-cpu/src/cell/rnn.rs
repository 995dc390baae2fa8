use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, tanh_backward};
use crate::math::tanh;

/// The activation function of an [`Rnn`] cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The hyperbolic tangent.
    Tanh,
    /// `max(0, x)`.
    Relu,
}

/// The Elman RNN cell, `h' = f(x + r)` (Elman 1990).
#[derive(Clone, Copy, Debug)]
pub struct Rnn(
    /// `f`
    pub Activation,
);

impl Pointwise for Rnn {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const SAVED: usize = 0;
    const USES_PREV_HIDDEN: bool = false;
    const USES_OUTPUT: bool = true;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        _state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let zero = s.splat_f32s(0.0);
        let sum = s.add_f32s(input[0], recurrent[0]);
        let h = match self.0 {
            Activation::Tanh => tanh(s, sum),
            // this order of operands propagates NaN
            Activation::Relu => s.select_f32s(s.less_than_f32s(sum, zero), zero, sum),
        };
        ([h, zero], [zero; 4])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let zero = s.splat_f32s(0.0);
        let (h, [dh, _]) = (step.output, step.gradient);
        let sum = match self.0 {
            Activation::Tanh => tanh_backward(s, dh, h),
            Activation::Relu => s.select_f32s(s.greater_than_f32s(h, zero), dh, zero),
        };
        let gates = [sum, zero, zero, zero];
        Gradients { input: gates, recurrent: gates, state: [zero; 2] }
    }
}
