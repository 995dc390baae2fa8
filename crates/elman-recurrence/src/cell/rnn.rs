use burn::tensor::Tensor;
use elman_activations::Activation;
use serde::{Deserialize, Serialize};

use super::Cell;
use crate::scan::Kernel;

/// The simple recurrent cell (Elman 1990, section "Networks with memory").
///
/// ```text
/// h_t = f(W_ih x_t + b_ih + W_hh h_{t-1} + b_hh)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct RnnCell {
    /// `f`; default tanh. Identity gives a linear recurrence, ReLU the cell of Le et al. 2015.
    pub activation: Activation,
}

impl Default for RnnCell {
    fn default() -> Self {
        Self { activation: Activation::Tanh }
    }
}

impl Cell for RnnCell {
    const GATES: usize = 1;
    const STATES: usize = 1;
    const PROJECTION: bool = true;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, _state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let sum = input + recurrent.expect("the scan supplies a recurrent product");
        vec![self.activation.apply(sum)]
    }

    fn kernel(&self) -> Option<Kernel> {
        match self.activation {
            Activation::Tanh => Some(Kernel::rnn(elman_cpu::cell::Activation::Tanh)),
            Activation::Relu => Some(Kernel::rnn(elman_cpu::cell::Activation::Relu)),
            _ => None,
        }
    }

    #[cfg(feature = "cube")]
    fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
        match self.activation {
            Activation::Tanh => Some(elman_cube::Kernel::rnn_tanh()),
            Activation::Relu => Some(elman_cube::Kernel::rnn_relu()),
            _ => None,
        }
    }
}
