//! The equations of the cells exist twice, for CPU and GPU: compares both on a grid of values.
#![cfg(feature = "wgpu")]

use cubecl::prelude::*;
use elman_cpu::cell::{self as cpu, Pointwise as _};
use elman_cube::cell::{
    CandidateInput, Gru, GruResetBefore, Linear, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Relu, Rnn,
    Tanh,
};

/// `exp` and `tanh` of the driver are accurate to a few ulp, and two or three of them are multiplied. If a gate is
/// almost open that is a large part of 1 − z, so the error of gradients is relative to the values that they are
/// multiplied by.
const TOLERANCE: f32 = 2e-6;

/// Inputs per grid point: gates of the input projection and of the recurrent product, states, and the gradient with
/// respect to the states.
const IN: usize = 2 * MAX_GATES + 2 * MAX_STATES;
/// Outputs per grid point: states, saved values, and the gradients with respect to the input projection, the recurrent
/// product and the previous states.
const OUT: usize = 2 * MAX_STATES + 3 * MAX_GATES;

#[cube(launch)]
fn cell_kernel<C: Pointwise>(from: &[f32], into: &mut [f32]) {
    if ABSOLUTE_POS < from.len() / IN {
        let first = ABSOLUTE_POS * IN;
        let out = ABSOLUTE_POS * OUT;
        let mut input = Array::<f32>::new(MAX_GATES);
        let mut recurrent = Array::<f32>::new(MAX_GATES);
        let mut state = Array::<f32>::new(MAX_STATES);
        let mut gradient = Array::<f32>::new(MAX_STATES);
        let mut next = Array::<f32>::new(MAX_STATES);
        let mut saved = Array::<f32>::new(MAX_GATES);
        let mut d_input = Array::<f32>::new(MAX_GATES);
        let mut d_recurrent = Array::<f32>::new(MAX_GATES);
        let mut d_state = Array::<f32>::new(MAX_STATES);
        #[unroll]
        for g in 0..MAX_GATES {
            input[g] = from[first + g];
            recurrent[g] = from[first + MAX_GATES + g];
            saved[g] = 0.0f32.runtime();
            d_input[g] = 0.0f32.runtime();
            d_recurrent[g] = 0.0f32.runtime();
        }
        #[unroll]
        for n in 0..MAX_STATES {
            state[n] = from[first + 2 * MAX_GATES + n];
            gradient[n] = from[first + 2 * MAX_GATES + MAX_STATES + n];
            next[n] = 0.0f32.runtime();
            d_state[n] = 0.0f32.runtime();
        }
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        C::backward(&saved, &state, next[0], &gradient, &mut d_input, &mut d_recurrent, &mut d_state);
        #[unroll]
        for n in 0..MAX_STATES {
            into[out + n] = next[n];
            into[out + MAX_STATES + 3 * MAX_GATES + n] = d_state[n];
        }
        #[unroll]
        for g in 0..MAX_GATES {
            into[out + MAX_STATES + g] = saved[g];
            into[out + MAX_STATES + MAX_GATES + g] = d_input[g];
            into[out + MAX_STATES + 2 * MAX_GATES + g] = d_recurrent[g];
        }
    }
}

#[cube(launch)]
fn candidate_kernel<C: Pointwise>(from: &[f32], into: &mut [f32]) {
    if ABSOLUTE_POS < from.len() / IN {
        let first = ABSOLUTE_POS * IN;
        let mut input = Array::<f32>::new(MAX_GATES);
        let mut recurrent = Array::<f32>::new(MAX_GATES);
        let mut d_gates = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for g in 0..MAX_GATES {
            input[g] = from[first + g];
            recurrent[g] = from[first + MAX_GATES + g];
            d_gates[g] = 0.0f32.runtime();
        }
        let hidden = from[first + 2 * MAX_GATES];
        let d_candidate_input = from[first + 2 * MAX_GATES + MAX_STATES];
        let mut state = Array::<f32>::new(MAX_STATES);
        let mut next = Array::<f32>::new(MAX_STATES);
        let mut saved = Array::<f32>::new(MAX_GATES);
        state[0] = hidden;
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        into[ABSOLUTE_POS * 4] = C::CandidateInput::forward(&input, &recurrent, hidden);
        into[ABSOLUTE_POS * 4 + 1] = C::CandidateInput::recompute(&saved, hidden);
        into[ABSOLUTE_POS * 4 + 2] = C::CandidateInput::backward(&saved, hidden, d_candidate_input, &mut d_gates);
        into[ABSOLUTE_POS * 4 + 3] = d_gates[0];
    }
}

#[cube(launch)]
fn decay_kernel<C: Linear>(from: &[f32], into: &mut [f32]) {
    if ABSOLUTE_POS < from.len() / IN {
        let mut input = Array::<f32>::new(MAX_GATES);
        let recurrent = Array::<f32>::new(MAX_GATES);
        let mut state = Array::<f32>::new(MAX_STATES);
        let mut next = Array::<f32>::new(MAX_STATES);
        let mut saved = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for g in 0..MAX_GATES {
            input[g] = from[ABSOLUTE_POS * IN + g];
        }
        state[0] = 0.0f32.runtime();
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        let offset = next[0];
        state[0] = from[ABSOLUTE_POS * IN + 2 * MAX_GATES];
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        into[ABSOLUTE_POS * 2] = next[0];
        into[ABSOLUTE_POS * 2 + 1] = C::decay(&saved) * state[0] + offset;
    }
}

/// Points whose gates have small and large values of both signs, in a different order for each gate.
fn grid() -> Vec<[f32; IN]> {
    let values = [0.0, 0.3, -0.3, 1.0, -1.0, 2.5, -2.5, 7.0, -7.0, 30.0, -30.0];
    (0..values.len() * 40)
        .map(|point| {
            std::array::from_fn(|n| {
                let value = values[(point * (n + 1) + point / (3 + n)) % values.len()];
                // the sum of two gates of 30 tests nothing that a single one does not
                if n < MAX_GATES { value } else { value * 0.1 }
            })
        })
        .collect()
}

fn bytes(points: &[[f32; IN]]) -> Vec<u8> {
    points.iter().flatten().flat_map(|value| value.to_ne_bytes()).collect()
}

/// Runs a kernel that computes `out` values per grid point.
fn run(out: usize, launch: impl Fn(&Client, CubeCount, CubeDim, BufferArg, BufferArg)) -> Vec<Vec<f32>> {
    let client = cubecl::Device::default().client();
    let grid = grid();
    let from = client.create_from_slice(&bytes(&grid));
    let into = client.empty(grid.len() * out * 4);
    // SAFETY: both handles have the given numbers of elements
    let args = unsafe {
        [BufferArg::from_raw_parts(from, grid.len() * IN), BufferArg::from_raw_parts(into.clone(), grid.len() * out)]
    };
    let [from, to] = args;
    launch(&client, CubeCount::Static(grid.len().div_ceil(64) as u32, 1, 1), CubeDim::new_1d(64), from, to);
    let found = client.read_one(into).expect("the kernel has run");
    let values: Vec<f32> = found.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().expect("four"))).collect();
    values.chunks_exact(out).map(<[f32]>::to_vec).collect()
}

#[track_caller]
fn close(what: &str, point: usize, found: f32, expected: f32, scale: f32) {
    let off = (found - expected).abs();
    assert!(
        off <= TOLERANCE * (1.0 + expected.abs().max(scale)),
        "{what} at {point}: found {found}, expected {expected}"
    );
}

fn check<C: Pointwise, R: cpu::Pointwise>(reference: R) {
    let found = run(OUT, |client, count, dim, from, into| cell_kernel::launch::<C>(client, count, dim, from, into));
    for (n, (found, point)) in found.iter().zip(grid()).enumerate() {
        let four = |start: usize| -> [f32; MAX_GATES] { std::array::from_fn(|g| point[start + g]) };
        let two = |start: usize| -> [f32; MAX_STATES] { std::array::from_fn(|s| point[start + s]) };
        let (state, gradient) = (two(2 * MAX_GATES), two(2 * MAX_GATES + MAX_STATES));
        let (next, saved) = reference.forward(pulp::Scalar, four(0), four(MAX_GATES), state);
        let step = cpu::Step { saved, before: state, output: next[0], gradient };
        let gradients = reference.backward(pulp::Scalar, step);
        let scale = saved.iter().fold(0.0f32, |max, value| max.max(value.abs()));
        let names = ["state", "saved", "d_input", "d_recurrent", "d_state"];
        let counts = [R::STATES, R::SAVED, R::GATES, if R::SEPARATE_RECURRENT_GRAD { R::GATES } else { 0 }, R::STATES];
        let expected = [&next[..], &saved[..], &gradients.input[..], &gradients.recurrent[..], &gradients.state[..]];
        let starts = [0, MAX_STATES, MAX_STATES + MAX_GATES, MAX_STATES + 2 * MAX_GATES, OUT - MAX_STATES];
        for (((name, count), expected), start) in names.iter().zip(counts).zip(expected).zip(starts) {
            for k in 0..count {
                close(&format!("{reference:?}: {name} {k}"), n, found[start + k], expected[k], scale);
            }
        }
    }
}

#[test]
fn cells_match_those_of_the_cpu() {
    check::<Rnn<Tanh>, _>(cpu::Rnn(cpu::Activation::Tanh));
    check::<Rnn<Relu>, _>(cpu::Rnn(cpu::Activation::Relu));
    check::<Gru, _>(cpu::Gru);
    check::<GruResetBefore, _>(cpu::GruResetBefore);
    check::<Lstm, _>(cpu::Lstm);
    check::<MinGru, _>(cpu::MinGru);
    check::<MinLstm, _>(cpu::MinLstm);
}

#[test]
fn the_candidate_input_matches_that_of_the_cpu() {
    let found = run(4, candidate_kernel::launch::<GruResetBefore>);
    let cell = cpu::GruResetBefore;
    for (n, (found, point)) in found.iter().zip(grid()).enumerate() {
        let four = |start: usize| -> [f32; MAX_GATES] { std::array::from_fn(|g| point[start + g]) };
        let (hidden, d_candidate_input) = (point[2 * MAX_GATES], point[2 * MAX_GATES + MAX_STATES]);
        let (_, saved) = cell.forward(pulp::Scalar, four(0), four(MAX_GATES), [hidden, 0.0]);
        let candidate_input = cell.candidate_input(pulp::Scalar, four(0), four(MAX_GATES), hidden);
        let gradients = cell.late_backward(pulp::Scalar, saved, hidden, d_candidate_input);
        for (k, expected) in
            [candidate_input, gradients.input, gradients.hidden, gradients.gates[0]].into_iter().enumerate()
        {
            close(&format!("candidate input {k}"), n, found[k], expected, 0.0);
        }
    }
}

#[test]
fn linear_cells_match_their_decay() {
    let min_gru = run(2, decay_kernel::launch::<MinGru>);
    let min_lstm = run(2, decay_kernel::launch::<MinLstm>);
    for (n, found) in min_gru.iter().chain(&min_lstm).enumerate() {
        close("h' = a h + b", n, found[1], found[0], 0.0);
    }
}
