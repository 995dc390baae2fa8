//! Cells without a recurrent product: their gates do not see the state.

use cubecl::prelude::*;

use super::{Counts, Linear, NoCandidateInput, Pointwise, sigmoid, through_sigmoid};

/// minGRU (Feng et al. 2024, section 3.1 and appendix B); gates z, h̃. Saves the shares and g(h̃).
///
/// ```text
/// h' = h + σ(z) (g(h̃) − h)      g(v) = v + 1/2 for v ≥ 0, σ(v) otherwise
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinGru;

impl Counts for MinGru {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;
    type Late = NoCandidateInput;
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
        let shares = save(sigmoid(-max(z, -z)), z < 0.0f32);
        let candidate = positive(input[1]);
        next[0] = kept(shares) * state[0] + taken(shares) * candidate;
        saved[0] = shares;
        saved[1] = candidate;
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
        let keep = kept(saved[0]);
        let take = taken(saved[0]);
        let by = gradient[0];
        by_input[0] = by * (saved[1] - before[0]) * (keep * take);
        by_input[1] = through_positive(by * take, saved[1]);
        by_state[0] = by * keep;
    }
}

#[cube]
impl Linear for MinGru {
    fn decay(saved: &Array<f32>) -> f32 {
        kept(saved[0])
    }
}

/// minLSTM (Feng et al. 2024, section 3.2 and appendix B); gates f, i, h̃. Saves the shares, g(h̃), 1 − σ(f) and
/// 1 − σ(i).
///
/// ```text
/// f' = σ(f) / (σ(f) + σ(i))     i' = 1 − f'     h' = f' h + i' g(h̃)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct MinLstm;

impl Counts for MinLstm {
    const GATES: usize = 3;
    const STATES: usize = 1;
    const SAVED: usize = 4;
    type Late = NoCandidateInput;
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
        // f' = (1 + e^−i) / ((1 + e^−i) + (1 + e^−f)), all divided by the largest of the powers, so that none overflows
        let f = -input[0];
        let i = -input[1];
        let most = max(0.0f32, max(f, i));
        let one = (-most).exp();
        let of_f = one + (f - most).exp();
        let of_i = one + (i - most).exp();
        let shares = save(min(of_f, of_i) / (of_i + of_f), of_f < of_i);
        let candidate = positive(input[2]);
        next[0] = kept(shares) * state[0] + taken(shares) * candidate;
        saved[0] = shares;
        saved[1] = candidate;
        saved[2] = sigmoid(f);
        saved[3] = sigmoid(i);
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
        let keep = kept(saved[0]);
        let take = taken(saved[0]);
        let candidate = saved[1];
        let by = gradient[0];
        // f' is the sigmoid of ln σ(f) − ln σ(i), and d ln σ(f) = 1 − σ(f)
        let by_ratio = by * (before[0] - candidate) * (keep * take);
        by_input[0] = by_ratio * saved[2];
        by_input[1] = -(by_ratio * saved[3]);
        by_input[2] = through_positive(by * take, candidate);
        by_state[0] = by * keep;
    }
}

#[cube]
impl Linear for MinLstm {
    fn decay(saved: &Array<f32>) -> f32 {
        kept(saved[0])
    }
}

/// How much of the state is kept and how much of the candidate is taken, in one number: the smaller of the two, negative where
/// more is kept, and never zero, which has no such sign. Nothing bounds a candidate, and what is lost of a small share would be
/// multiplied by it.
#[cube]
fn save(smaller: f32, is_kept: bool) -> f32 {
    let bounded = select(smaller < 1e-37f32, 1e-37f32, smaller); // in this order NaN stays NaN
    select(is_kept, -bounded, bounded)
}

#[cube]
fn kept(shares: f32) -> f32 {
    select(shares < 0.0f32, 1.0f32 + shares, shares)
}

#[cube]
fn taken(shares: f32) -> f32 {
    select(shares < 0.0f32, -shares, 1.0f32 - shares)
}

/// `g(v)`: v + 1/2 for v ≥ 0, σ(v) otherwise; continuous and positive.
#[cube]
fn positive(v: f32) -> f32 {
    select(v < 0.0f32, sigmoid(v), v + 0.5f32)
}

/// The gradient through `g` with output y, which is below 1/2 exactly where v is negative.
#[cube]
fn through_positive(gradient: f32, y: f32) -> f32 {
    select(y < 0.5f32, through_sigmoid(gradient, y), gradient)
}
