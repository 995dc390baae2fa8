use burn::tensor::{Tensor, activation::sigmoid};
use serde::{Deserialize, Serialize};

use super::{Cell, gates};
use crate::scan::Kernel;

/// Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997; Gers et al. 2000, eq. 1–7). Gates are packed
/// in PyTorch's order: i, f, g, o.
///
/// ```text
/// i = σ(W_ii x + b_ii + W_hi h + b_hi)
/// f = σ(W_if x + b_if + W_hf h + b_hf)
/// g = tanh(W_ig x + b_ig + W_hg h + b_hg)
/// o = σ(W_io x + b_io + W_ho h + b_ho)
/// c' = f ⊙ c + i ⊙ g
/// h' = o ⊙ tanh(c')
/// ```
///
/// With a projection (Sak et al. 2014), the scan replaces `h'` with `W_hr h'`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LstmCell;

impl Cell for LstmCell {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const PROJECTION: bool = true;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let sum = input + recurrent.expect("the scan supplies a recurrent product");
        let [i, f, g, o] = gates(sum);
        let c = sigmoid(f) * state[1].clone() + sigmoid(i) * g.tanh();
        vec![sigmoid(o) * c.clone().tanh(), c]
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::lstm())
    }

    #[cfg(feature = "cube")]
    fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
        Some(elman_cube::Kernel::lstm())
    }
}
