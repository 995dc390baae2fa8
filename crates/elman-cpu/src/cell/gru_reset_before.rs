use pulp::Simd;

use super::{Gates, Gradients, Late, Pointwise, States, Step, sigmoid_backward, tanh_backward};
use crate::math::{sigmoid, tanh};

/// The GRU with the reset gate applied before the recurrent product, as in the original paper (Cho et al. 2014, eq.
/// 5–8). Gates: r, z, n, which it saves. n is a candidate gate.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + U_n (r h))
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GruResetBefore;

impl Pointwise for GruResetBefore {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 3;
    const CANDIDATE_GATES: usize = 1;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let zero = s.splat_f32s(0.0);
        let r = sigmoid(s, s.add_f32s(input[0], recurrent[0]));
        let z = sigmoid(s, s.add_f32s(input[1], recurrent[1]));
        let n = tanh(s, s.add_f32s(input[2], recurrent[2]));
        let h = s.mul_add_f32s(z, s.sub_f32s(state[0], n), n);
        ([h, zero], [r, z, n, zero])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([_, z, n, _], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let zero = s.splat_f32s(0.0);
        let dn = tanh_backward(s, s.negate_mul_add_f32s(dh, z, dh), n);
        let dz = sigmoid_backward(s, s.mul_f32s(dh, s.sub_f32s(h, n)), z);
        let gates = [zero, dz, dn, zero];
        Gradients { input: gates, recurrent: gates, state: [s.mul_f32s(dh, z), zero] }
    }

    #[inline(always)]
    fn candidate_input<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        hidden: S::f32s,
    ) -> S::f32s {
        s.mul_f32s(sigmoid(s, s.add_f32s(input[0], recurrent[0])), hidden)
    }

    #[inline(always)]
    fn late_backward<S: Simd>(
        self,
        s: S,
        saved: Gates<S::f32s>,
        hidden: S::f32s,
        d_candidate_input: S::f32s,
    ) -> Late<S::f32s> {
        let (r, zero) = (saved[0], s.splat_f32s(0.0));
        let dr = sigmoid_backward(s, s.mul_f32s(d_candidate_input, hidden), r);
        Late { input: s.mul_f32s(r, hidden), gates: [dr, zero, zero, zero], hidden: s.mul_f32s(d_candidate_input, r) }
    }
}
