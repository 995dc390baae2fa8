use burn::tensor::{
    Tensor,
    activation::{sigmoid, softplus},
};
use serde::{Deserialize, Serialize};

use super::{Cell, Linear, gates};
use crate::scan::Kernel;

/// minGRU (Feng et al. 2024, "Were RNNs All We Needed?", section 3.1 and appendix B). Gates are packed z, h̃.
///
/// ```text
/// z = σ(W_z x + b_z)
/// h̃ = g(W_h x + b_h)      g(v) = v + 1/2 for v ≥ 0, σ(v) otherwise
/// h_t = (1 − z) ⊙ h_{t-1} + z ⊙ h̃
/// ```
///
/// No gate depends on the previous state, so the gates of all time steps are computed together and the scan is parallel
/// over time. The scan uses the values rather than their logarithms, so the initial state may be any value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinGruCell;

impl MinGruCell {
    fn coefficients<const D: usize>(&self, input: Tensor<D>) -> Linear<D> {
        let [z, candidate] = gates(input);
        let [z, decay] = sigmoid_and_complement(z);
        Linear { decay, update: z * positive(candidate) }
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B). Gates are packed f, i, h̃.
///
/// ```text
/// f = σ(W_f x + b_f)    i = σ(W_i x + b_i)    h̃ = g(W_h x + b_h)
/// f' = f / (f + i)      i' = i / (f + i)
/// h_t = f' ⊙ h_{t-1} + i' ⊙ h̃
/// ```
///
/// `f'` is computed from the pre-activations as `σ(softplus(−i) − softplus(−f))`, which stays exact if both gates are
/// almost 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinLstmCell;

impl MinLstmCell {
    fn coefficients<const D: usize>(&self, input: Tensor<D>) -> Linear<D> {
        let [f, i, candidate] = gates(input);
        let log_ratio = softplus(-i, 1.0) - softplus(-f, 1.0);
        let [decay, i] = sigmoid_and_complement(log_ratio);
        Linear { decay, update: i * positive(candidate) }
    }
}

/// `σ(v)` and `1 − σ(v)`. Both and their gradients are precise even if one of them is almost 1: the candidate is
/// unbounded, and would amplify the rounding error of a small factor.
fn sigmoid_and_complement<const D: usize>(v: Tensor<D>) -> [Tensor<D>; 2] {
    let negative = v.clone().lower_elem(0.0);
    let smaller = sigmoid((-v.clone()).mask_where(negative.clone(), v));
    let larger = -smaller.clone() + 1.0;
    [larger.clone().mask_where(negative.clone(), smaller.clone()), smaller.mask_where(negative, larger)]
}

/// `g` of appendix B: v + 1/2 for v ≥ 0, σ(v) otherwise. It is continuous and positive.
fn positive<const D: usize>(v: Tensor<D>) -> Tensor<D> {
    let negative = v.clone().lower_elem(0.0);
    (v.clone() + 0.5).mask_where(negative, sigmoid(v))
}

macro_rules! linear_cell {
    ($cell:ty, $gates:expr, $kernel:ident) => {
        impl Cell for $cell {
            const GATES: usize = $gates;
            const STATES: usize = 1;
            const RECURRENT: bool = false;

            fn forward(&self, input: Tensor<2>, _recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
                let Linear { decay, update } = self.coefficients(input);
                vec![decay * state[0].clone() + update]
            }

            fn linear(&self, input: Tensor<3>) -> Option<Linear<3>> {
                Some(self.coefficients(input))
            }

            fn kernel(&self) -> Option<Kernel> {
                Some(Kernel::$kernel())
            }

            #[cfg(feature = "cube")]
            fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
                Some(elman_cube::Kernel::$kernel())
            }
        }
    };
}

linear_cell!(MinGruCell, 2, min_gru);
linear_cell!(MinLstmCell, 3, min_lstm);
