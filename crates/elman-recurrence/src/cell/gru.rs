use burn::tensor::{Tensor, activation::sigmoid};
use serde::{Deserialize, Serialize};

use super::{Cell, gates};
use crate::scan::Kernel;

/// Where the reset gate acts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reset {
    /// On the recurrent product, after the multiplication with `W_hn`, as PyTorch and cuDNN do.
    #[default]
    After,
    /// On the hidden state, before the multiplication with `W_hn`, as in the original paper.
    Before,
}

/// The gated recurrent unit (Cho et al. 2014, eq. 5–8). Gates are packed in PyTorch's order: r, z, n.
///
/// ```text
/// r = σ(W_ir x + b_ir + W_hr h + b_hr)
/// z = σ(W_iz x + b_iz + W_hz h + b_hz)
/// n = tanh(W_in x + b_in + r ⊙ (W_hn h + b_hn))     reset after
/// n = tanh(W_in x + b_in + W_hn (r ⊙ h) + b_hn)     reset before
/// h' = (1 − z) ⊙ n + z ⊙ h
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GruCell {
    /// Where the reset gate acts.
    pub reset: Reset,
}

impl Cell for GruCell {
    const GATES: usize = 3;
    const STATES: usize = 1;

    fn biases_can_be_merged(&self) -> bool {
        self.reset == Reset::Before // Reset::After: r multiplies b_hn
    }

    fn candidate_gates(&self) -> usize {
        match self.reset {
            Reset::After => 0,
            Reset::Before => 1,
        }
    }

    fn candidate_input(&self, input: &Tensor<2>, recurrent: &Tensor<2>, state: &[Tensor<2>]) -> Tensor<2> {
        let d_hidden = input.dims()[1] / Self::GATES;
        let r = sigmoid(input.clone().narrow(1, 0, d_hidden) + recurrent.clone().narrow(1, 0, d_hidden));
        r * state[0].clone()
    }

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let [xr, xz, xn] = gates(input);
        let [hr, hz, hn] = gates(recurrent.expect("the scan supplies a recurrent product"));
        let z = sigmoid(xz + hz);
        let n = match self.reset {
            Reset::After => xn + sigmoid(xr + hr) * hn,
            Reset::Before => xn + hn,
        }
        .tanh();
        // equals (1 − z) n + z h with one product less
        vec![n.clone() + z * (state[0].clone() - n)]
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(match self.reset {
            Reset::After => Kernel::gru(),
            Reset::Before => Kernel::gru_reset_before(),
        })
    }

    #[cfg(feature = "cube")]
    fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
        Some(match self.reset {
            Reset::After => elman_cube::Kernel::gru(),
            Reset::Before => elman_cube::Kernel::gru_reset_before(),
        })
    }
}
