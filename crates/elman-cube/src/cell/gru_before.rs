use cubecl::prelude::*;

use super::{CandidateInput, Counts, Pointwise, sigmoid, through_sigmoid, through_tanh};

/// The gated recurrent unit with the reset gate before the product, as in the original paper (Cho et al. 2014, eq. 5–8);
/// gates r, z, n, which are what it saves.
///
/// ```text
/// r = σ(x_r + h_r)    z = σ(x_z + h_z)    n = tanh(x_n + U_n (r h))
/// h' = n + z (h − n)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct GruResetBefore;

impl Counts for GruResetBefore {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 3;
    const CANDIDATE_GATES: usize = 1;
    type Late = Self;
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
        by_input: &mut Array<f32>,
        _by_recurrent: &mut Array<f32>,
        by_state: &mut Array<f32>,
    ) {
        let z = saved[1];
        let n = saved[2];
        let by = gradient[0];
        by_input[0] = 0.0f32.runtime();
        by_input[1] = through_sigmoid(by * (before[0] - n), z);
        by_input[2] = through_tanh(by * (1.0f32 - z), n);
        by_state[0] = by * z;
    }
}

#[cube]
impl CandidateInput for GruResetBefore {
    fn forward(input: &Array<f32>, recurrent: &Array<f32>, hidden: f32) -> f32 {
        sigmoid(input[0] + recurrent[0]) * hidden
    }

    fn again(saved: &Array<f32>, hidden: f32) -> f32 {
        saved[0] * hidden
    }

    fn backward(saved: &Array<f32>, hidden: f32, by: f32, by_gates: &mut Array<f32>) -> f32 {
        by_gates[0] += through_sigmoid(by * hidden, saved[0]);
        by * saved[0]
    }
}
