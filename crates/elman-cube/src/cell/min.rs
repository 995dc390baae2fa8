//! Cells without a recurrent product: their gates do not depend on the state.

use cubecl::prelude::*;

use super::{CellConstants, Linear, NoCandidateInput, Pointwise, sigmoid, sigmoid_backward};

/// minGRU (Feng et al. 2024, section 3.1 and appendix B). Gates: z, h̃. Saves the mixing weights and g(h̃).
///
/// ```text
/// h' = h + σ(z) (g(h̃) − h)      g(v) = v + 1/2 for v ≥ 0, σ(v) otherwise
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinGru;

impl CellConstants for MinGru {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;
    type CandidateInput = NoCandidateInput;
}

#[cube]
impl Pointwise for MinGru {
    fn forward(
        input: &Array<f32>,
        _recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        let z = input[0];
        let mix = encode_mix(sigmoid(-max(z, -z)), z < 0.0f32);
        let candidate = positive(input[1]);
        next[0] = state_weight(mix) * state[0] + candidate_weight(mix) * candidate;
        saved[0] = mix;
        saved[1] = candidate;
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
        let state_share = state_weight(saved[0]);
        let candidate_share = candidate_weight(saved[0]);
        let dh = gradient[0];
        d_input[0] = dh * (saved[1] - before[0]) * (state_share * candidate_share);
        d_input[1] = positive_backward(dh * candidate_share, saved[1]);
        d_state[0] = dh * state_share;
    }
}

#[cube]
impl Linear for MinGru {
    fn decay(saved: &Array<f32>) -> f32 {
        state_weight(saved[0])
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B). Gates: f, i, h̃. Saves the mixing weights, g(h̃), 1 − σ(f)
/// and 1 − σ(i).
///
/// ```text
/// f' = σ(f) / (σ(f) + σ(i))     i' = 1 − f'     h' = f' h + i' g(h̃)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinLstm;

impl CellConstants for MinLstm {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    type CandidateInput = NoCandidateInput;
}

#[cube]
impl Pointwise for MinLstm {
    fn forward(
        input: &Array<f32>,
        _recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        // f' = (1 + e^−i) / ((1 + e^−i) + (1 + e^−f)), with all terms divided by the largest power to prevent overflow
        let f = -input[0];
        let i = -input[1];
        let max_power = max(0.0f32, max(f, i));
        let one = (-max_power).exp();
        let term_f = one + (f - max_power).exp();
        let term_i = one + (i - max_power).exp();
        let mix = encode_mix(min(term_f, term_i) / (term_i + term_f), term_f < term_i);
        let candidate = positive(input[2]);
        next[0] = state_weight(mix) * state[0] + candidate_weight(mix) * candidate;
        saved[0] = mix;
        saved[1] = candidate;
        saved[2] = sigmoid(f);
        saved[3] = sigmoid(i);
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
        let state_share = state_weight(saved[0]);
        let candidate_share = candidate_weight(saved[0]);
        let candidate = saved[1];
        let dh = gradient[0];
        // f' is the sigmoid of ln σ(f) − ln σ(i), and d ln σ(f) = 1 − σ(f)
        let d_log_ratio = dh * (before[0] - candidate) * (state_share * candidate_share);
        d_input[0] = d_log_ratio * saved[2];
        d_input[1] = -(d_log_ratio * saved[3]);
        d_input[2] = positive_backward(dh * candidate_share, candidate);
        d_state[0] = dh * state_share;
    }
}

#[cube]
impl Linear for MinLstm {
    fn decay(saved: &Array<f32>) -> f32 {
        state_weight(saved[0])
    }
}

/// Encodes both mixing weights, those of state and candidate in the next state, in one value: the smaller one, negative
/// if the state has the larger weight. It is never zero, so that the sign is not lost. Both weights are precise even if
/// one is almost 1: candidates are unbounded, so an error of a small weight is amplified by a large candidate.
#[cube]
fn encode_mix(smaller: f32, state_dominates: bool) -> f32 {
    let bounded = select(smaller < 1e-37f32, 1e-37f32, smaller); // this order of operands propagates NaN
    select(state_dominates, -bounded, bounded)
}

/// The weight of the state.
#[cube]
fn state_weight(mix: f32) -> f32 {
    select(mix < 0.0f32, 1.0f32 + mix, mix)
}

/// The weight of the candidate.
#[cube]
fn candidate_weight(mix: f32) -> f32 {
    select(mix < 0.0f32, -mix, 1.0f32 - mix)
}

/// `g(v)`: v + 1/2 for v ≥ 0, σ(v) otherwise; continuous and positive.
#[cube]
fn positive(v: f32) -> f32 {
    select(v < 0.0f32, sigmoid(v), v + 0.5f32)
}

/// The gradient through `g` with output y, which is below 1/2 exactly if v is negative.
#[cube]
fn positive_backward(gradient: f32, y: f32) -> f32 {
    select(y < 0.5f32, sigmoid_backward(gradient, y), gradient)
}
