use cubecl::prelude::*;

use super::{CandidateInput, CellConstants, Pointwise, sigmoid, sigmoid_backward, tanh_backward};

/// The GRU with the reset gate applied before the recurrent product, as in the original paper (Cho et al. 2014, eq.
/// 5–8). Gates: r, z, n, which it also saves.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + U_n (r h))
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GruResetBefore;

impl CellConstants for GruResetBefore {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 3;
    const CANDIDATE_GATES: usize = 1;
    type CandidateInput = Self;
}

#[cube]
impl Pointwise for GruResetBefore {
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        let r = sigmoid(input[0] + recurrent[0]);
        let z = sigmoid(input[1] + recurrent[1]);
        let n = (input[2] + recurrent[2]).tanh();
        next[0] = n + z * (state[0] - n);
        saved[0] = r;
        saved[1] = z;
        saved[2] = n;
    }

    fn backward(
        saved: &Array<f32>,
        before: &Array<f32>,
        _output: f32,
        gradient: &Array<f32>,
        d_input: &mut Array<f32>,
        _d_recurrent: &mut Array<f32>,
        d_state: &mut Array<f32>,
    ) {
        let z = saved[1];
        let n = saved[2];
        let dh = gradient[0];
        d_input[0] = 0.0f32.runtime();
        d_input[1] = sigmoid_backward(dh * (before[0] - n), z);
        d_input[2] = tanh_backward(dh * (1.0f32 - z), n);
        d_state[0] = dh * z;
    }
}

#[cube]
impl CandidateInput for GruResetBefore {
    fn forward(input: &Array<f32>, recurrent: &Array<f32>, hidden: f32) -> f32 {
        sigmoid(input[0] + recurrent[0]) * hidden
    }

    fn recompute(saved: &Array<f32>, hidden: f32) -> f32 {
        saved[0] * hidden
    }

    fn backward(saved: &Array<f32>, hidden: f32, gradient: f32, d_gates: &mut Array<f32>) -> f32 {
        d_gates[0] += sigmoid_backward(gradient * hidden, saved[0]);
        gradient * saved[0]
    }
}
