use cubecl::prelude::*;

use super::{CellConstants, NoCandidateInput, Pointwise, sigmoid, sigmoid_backward, tanh_backward};

/// The GRU (Cho et al. 2014) with the reset gate applied after the recurrent product, as in PyTorch and cuDNN. Gates:
/// r, z, n. Saves r, z, n and the recurrent product of n.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + r h_n)
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Gru;

impl CellConstants for Gru {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    const SEPARATE_RECURRENT_GRAD: bool = true;
    type CandidateInput = NoCandidateInput;
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
        d_input: &mut Array<f32>,
        d_recurrent: &mut Array<f32>,
        d_state: &mut Array<f32>,
    ) {
        let r = saved[0];
        let z = saved[1];
        let n = saved[2];
        let dh = gradient[0];
        let dn = tanh_backward(dh * (1.0f32 - z), n);
        let dz = sigmoid_backward(dh * (before[0] - n), z);
        let dr = sigmoid_backward(dn * saved[3], r);
        d_input[0] = dr;
        d_input[1] = dz;
        d_input[2] = dn;
        d_recurrent[0] = dr;
        d_recurrent[1] = dz;
        d_recurrent[2] = dn * r;
        d_state[0] = dh * z;
    }
}
