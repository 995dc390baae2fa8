use pulp::Simd;

use super::{Gates, Gradients, Pointwise, States, Step, sigmoid_backward, tanh_backward};
use crate::math::{sigmoid, tanh};

/// The GRU (Cho et al. 2014) with the reset gate applied after the recurrent product, as in PyTorch and cuDNN. Gates:
/// r, z, n. Saves r, z, n and the recurrent product of n.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + r h_n)
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gru;

impl Pointwise for Gru {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    const SEPARATE_RECURRENT_GRAD: bool = true;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let r = sigmoid(s, s.add_f32s(input[0], recurrent[0]));
        let z = sigmoid(s, s.add_f32s(input[1], recurrent[1]));
        let n = tanh(s, s.mul_add_f32s(r, recurrent[2], input[2]));
        let h = s.mul_add_f32s(z, s.sub_f32s(state[0], n), n);
        ([h, s.splat_f32s(0.0)], [r, z, n, recurrent[2]])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let [r, z, n, product] = step.saved;
        let ([h, _], [dh, _]) = (step.before, step.gradient);
        let zero = s.splat_f32s(0.0);
        let dn = tanh_backward(s, s.negate_mul_add_f32s(dh, z, dh), n);
        let dz = sigmoid_backward(s, s.mul_f32s(dh, s.sub_f32s(h, n)), z);
        let dr = sigmoid_backward(s, s.mul_f32s(dn, product), r);
        Gradients {
            input: [dr, dz, dn, zero],
            recurrent: [dr, dz, s.mul_f32s(dn, r), zero],
            state: [s.mul_f32s(dh, z), zero],
        }
    }
}
