use cubecl::prelude::*;

use super::{CellConstants, NoCandidateInput, Pointwise, sigmoid, sigmoid_backward, tanh_backward};

/// The LSTM with forget gate. Gates: i, f, g, o, which it also saves.
///
/// ```text
/// c' = σ(f) c + σ(i) tanh(g)    h' = σ(o) tanh(c')
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl CellConstants for Lstm {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const SAVED: usize = 4;
    const USES_PREV_HIDDEN: bool = false;
    type CandidateInput = NoCandidateInput;
}

#[cube]
impl Pointwise for Lstm {
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        let i = sigmoid(input[0] + recurrent[0]);
        let f = sigmoid(input[1] + recurrent[1]);
        let g = (input[2] + recurrent[2]).tanh();
        let o = sigmoid(input[3] + recurrent[3]);
        let c = f * state[1] + i * g;
        next[0] = o * c.tanh();
        next[1] = c;
        saved[0] = i;
        saved[1] = f;
        saved[2] = g;
        saved[3] = o;
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
        let i = saved[0];
        let f = saved[1];
        let g = saved[2];
        let o = saved[3];
        let y = (f * before[1] + i * g).tanh();
        let dc = gradient[1] + tanh_backward(gradient[0] * o, y);
        d_input[0] = sigmoid_backward(dc * g, i);
        d_input[1] = sigmoid_backward(dc * before[1], f);
        d_input[2] = tanh_backward(dc * i, g);
        d_input[3] = sigmoid_backward(gradient[0] * y, o);
        d_state[0] = 0.0f32;
        d_state[1] = dc * f;
    }
}
