use cubecl::prelude::*;

use super::{Counts, NoCandidateInput, Pointwise, sigmoid, through_sigmoid, through_tanh};

/// The gated recurrent unit with the reset gate after the product, as PyTorch and cuDNN have it; gates r, z, n. Saves r, z, n
/// and the recurrent product of n.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + r h_n)
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gru;

impl Counts for Gru {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    const SEPARATE_RECURRENT_GRAD: bool = true;
    type Late = NoCandidateInput;
}

#[cube]
impl Pointwise for Gru {
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        let r = sigmoid(input[0] + recurrent[0]);
        let z = sigmoid(input[1] + recurrent[1]);
        let n = (input[2] + r * recurrent[2]).tanh();
        next[0] = n + z * (state[0] - n);
        saved[0] = r;
        saved[1] = z;
        saved[2] = n;
        saved[3] = recurrent[2];
    }

    fn backward(
        saved: &Array<f32>,
        before: &Array<f32>,
        _output: f32,
        gradient: &Array<f32>,
        by_input: &mut Array<f32>,
        by_recurrent: &mut Array<f32>,
        by_state: &mut Array<f32>,
    ) {
        let r = saved[0];
        let z = saved[1];
        let n = saved[2];
        let by = gradient[0];
        let by_n = through_tanh(by * (1.0f32 - z), n);
        let by_z = through_sigmoid(by * (before[0] - n), z);
        let by_r = through_sigmoid(by_n * saved[3], r);
        by_input[0] = by_r;
        by_input[1] = by_z;
        by_input[2] = by_n;
        by_recurrent[0] = by_r;
        by_recurrent[1] = by_z;
        by_recurrent[2] = by_n * r;
        by_state[0] = by * z;
    }
}
