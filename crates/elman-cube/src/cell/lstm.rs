use cubecl::prelude::*;

use super::{Counts, NoCandidateInput, Pointwise, sigmoid, through_sigmoid, through_tanh};

/// Long short-term memory with forget gate; gates i, f, g, o, which are what it saves.
///
/// ```text
/// c' = σ(f) c + σ(i) tanh(g)    h' = σ(o) tanh(c')
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Lstm;

impl Counts for Lstm {
    const GATES: usize = 4;
    const STATES: usize = 2;
    const SAVED: usize = 4;
    const USES_PREV_HIDDEN: bool = false;
    type Late = NoCandidateInput;
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
        by_input: &mut Array<f32>,
        _by_recurrent: &mut Array<f32>,
        by_state: &mut Array<f32>,
    ) {
        let i = saved[0];
        let f = saved[1];
        let g = saved[2];
        let o = saved[3];
        let y = (f * before[1] + i * g).tanh();
        let by_c = gradient[1] + through_tanh(gradient[0] * o, y);
        by_input[0] = through_sigmoid(by_c * g, i);
        by_input[1] = through_sigmoid(by_c * before[1], f);
        by_input[2] = through_tanh(by_c * i, g);
        by_input[3] = through_sigmoid(gradient[0] * y, o);
        by_state[0] = 0.0f32;
        by_state[1] = by_c * f;
    }
}
