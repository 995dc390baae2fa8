//! The cells' mathematics is written twice, for processors and for graphics cards: both forms on a grid of values.
#![cfg(feature = "wgpu")]

use cubecl::prelude::*;
use elman_cpu::cell::{self as cpu, Pointwise as _};
use elman_cube::cell::{
    CandidateInput, Gru, GruResetBefore, Linear, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Relu, Rnn,
    Tanh,
};

/// `exp` and `tanh` of the driver are good to some units of the last place, and two or three of them are multiplied. Of what is
/// left of 1 − z where a gate is almost open that is a large part, so gradients are relative to what they are multiplied with.
const TOLERANCE: f32 = 2e-6;

/// Numbers that a point of the grid has: gates of the input product and of the recurrent product, states, gradients by the
/// states.
const IN: usize = 2 * MAX_GATES + 2 * MAX_STATES;
/// Numbers that come of it: states, saved, by the input product, by the recurrent product, by the state before.
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
        let mut by_input = Array::<f32>::new(MAX_GATES);
        let mut by_recurrent = Array::<f32>::new(MAX_GATES);
        let mut by_state = Array::<f32>::new(MAX_STATES);
        #[unroll]
        for g in 0..MAX_GATES {
            input[g] = from[first + g];
            recurrent[g] = from[first + MAX_GATES + g];
            saved[g] = 0.0f32.runtime();
            by_input[g] = 0.0f32.runtime();
            by_recurrent[g] = 0.0f32.runtime();
        }
        #[unroll]
        for n in 0..MAX_STATES {
            state[n] = from[first + 2 * MAX_GATES + n];
            gradient[n] = from[first + 2 * MAX_GATES + MAX_STATES + n];
            next[n] = 0.0f32.runtime();
            by_state[n] = 0.0f32.runtime();
        }
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        C::backward(&saved, &state, next[0], &gradient, &mut by_input, &mut by_recurrent, &mut by_state);
        #[unroll]
        for n in 0..MAX_STATES {
            into[out + n] = next[n];
            into[out + MAX_STATES + 3 * MAX_GATES + n] = by_state[n];
        }
        #[unroll]
        for g in 0..MAX_GATES {
            into[out + MAX_STATES + g] = saved[g];
            into[out + MAX_STATES + MAX_GATES + g] = by_input[g];
            into[out + MAX_STATES + 2 * MAX_GATES + g] = by_recurrent[g];
        }
    }
}

#[cube(launch)]
fn late_kernel<C: Pointwise>(from: &[f32], into: &mut [f32]) {
    if ABSOLUTE_POS < from.len() / IN {
        let first = ABSOLUTE_POS * IN;
        let mut input = Array::<f32>::new(MAX_GATES);
        let mut recurrent = Array::<f32>::new(MAX_GATES);
        let mut by_gates = Array::<f32>::new(MAX_GATES);
        #[unroll]
        for g in 0..MAX_GATES {
            input[g] = from[first + g];
            recurrent[g] = from[first + MAX_GATES + g];
            by_gates[g] = 0.0f32.runtime();
        }
        let hidden = from[first + 2 * MAX_GATES];
        let by = from[first + 2 * MAX_GATES + MAX_STATES];
        let mut state = Array::<f32>::new(MAX_STATES);
        let mut next = Array::<f32>::new(MAX_STATES);
        let mut saved = Array::<f32>::new(MAX_GATES);
        state[0] = hidden;
        C::forward(&input, &recurrent, &state, &mut next, &mut saved);
        into[ABSOLUTE_POS * 4] = C::Late::forward(&input, &recurrent, hidden);
        into[ABSOLUTE_POS * 4 + 1] = C::Late::again(&saved, hidden);
        into[ABSOLUTE_POS * 4 + 2] = C::Late::backward(&saved, hidden, by, &mut by_gates);
        into[ABSOLUTE_POS * 4 + 3] = by_gates[0];
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

/// Points whose gates go through small and large values of both signs, each in another order.
fn grid() -> Vec<[f32; IN]> {
    let values = [0.0, 0.3, -0.3, 1.0, -1.0, 2.5, -2.5, 7.0, -7.0, 30.0, -30.0];
    (0..values.len() * 40)
        .map(|point| {
            std::array::from_fn(|n| {
                let value = values[(point * (n + 1) + point / (3 + n)) % values.len()];
                // a sum of two gates of 30 says no more than one of them
                if n < MAX_GATES { value } else { value * 0.1 }
            })
        })
        .collect()
}

fn bytes(numbers: &[[f32; IN]]) -> Vec<u8> {
    numbers.iter().flatten().flat_map(|number| number.to_ne_bytes()).collect()
}

/// Runs a kernel that makes `out` numbers of each point.
fn run(out: usize, launch: impl Fn(&Client, CubeCount, CubeDim, BufferArg, BufferArg)) -> Vec<Vec<f32>> {
    let client = cubecl::Device::default().client();
    let grid = grid();
    let from = client.create_from_slice(&bytes(&grid));
    let into = client.empty(grid.len() * out * 4);
    // SAFETY: both have as many numbers as they say
    let args = unsafe {
        [BufferArg::from_raw_parts(from, grid.len() * IN), BufferArg::from_raw_parts(into.clone(), grid.len() * out)]
    };
    let [from, to] = args;
    launch(&client, CubeCount::Static(grid.len().div_ceil(64) as u32, 1, 1), CubeDim::new_1d(64), from, to);
    let found = client.read_one(into).expect("the kernel has run");
    let numbers: Vec<f32> = found.chunks_exact(4).map(|b| f32::from_ne_bytes(b.try_into().expect("four"))).collect();
    numbers.chunks_exact(out).map(<[f32]>::to_vec).collect()
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
        let four = |at: usize| -> [f32; MAX_GATES] { std::array::from_fn(|g| point[at + g]) };
        let two = |at: usize| -> [f32; MAX_STATES] { std::array::from_fn(|s| point[at + s]) };
        let (state, gradient) = (two(2 * MAX_GATES), two(2 * MAX_GATES + MAX_STATES));
        let (next, saved) = reference.forward(pulp::Scalar, four(0), four(MAX_GATES), state);
        let step = cpu::Step { saved, before: state, output: next[0], gradient };
        let by = reference.backward(pulp::Scalar, step);
        let scale = saved.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let names = ["state", "saved", "by input", "by recurrent", "by state"];
        let counts = [R::STATES, R::SAVED, R::GATES, if R::SEPARATE_RECURRENT_GRAD { R::GATES } else { 0 }, R::STATES];
        let expected = [&next[..], &saved[..], &by.input[..], &by.recurrent[..], &by.state[..]];
        let starts = [0, MAX_STATES, MAX_STATES + MAX_GATES, MAX_STATES + 2 * MAX_GATES, OUT - MAX_STATES];
        for (((name, count), expected), start) in names.iter().zip(counts).zip(expected).zip(starts) {
            for k in 0..count {
                close(&format!("{reference:?}: {name} {k}"), n, found[start + k], expected[k], scale);
            }
        }
    }
}

#[test]
fn both_forms_of_a_cell_are_the_same() {
    check::<Rnn<Tanh>, _>(cpu::Rnn(cpu::Activation::Tanh));
    check::<Rnn<Relu>, _>(cpu::Rnn(cpu::Activation::Relu));
    check::<Gru, _>(cpu::Gru);
    check::<GruResetBefore, _>(cpu::GruResetBefore);
    check::<Lstm, _>(cpu::Lstm);
    check::<MinGru, _>(cpu::MinGru);
    check::<MinLstm, _>(cpu::MinLstm);
}

#[test]
fn both_forms_of_a_late_input_are_the_same() {
    let found = run(4, late_kernel::launch::<GruResetBefore>);
    let cell = cpu::GruResetBefore;
    for (n, (found, point)) in found.iter().zip(grid()).enumerate() {
        let four = |at: usize| -> [f32; MAX_GATES] { std::array::from_fn(|g| point[at + g]) };
        let (hidden, by) = (point[2 * MAX_GATES], point[2 * MAX_GATES + MAX_STATES]);
        let (_, saved) = cell.forward(pulp::Scalar, four(0), four(MAX_GATES), [hidden, 0.0]);
        let late = cell.candidate_input(pulp::Scalar, four(0), four(MAX_GATES), hidden);
        let back = cell.late_backward(pulp::Scalar, saved, hidden, by);
        for (k, expected) in [late, back.input, back.hidden, back.gates[0]].into_iter().enumerate() {
            close(&format!("late {k}"), n, found[k], expected, 0.0);
        }
    }
}

#[test]
fn a_linear_cell_is_what_its_decay_says() {
    let min_gru = run(2, decay_kernel::launch::<MinGru>);
    let min_lstm = run(2, decay_kernel::launch::<MinLstm>);
    for (n, found) in min_gru.iter().chain(&min_lstm).enumerate() {
        close("h' = a h + b", n, found[1], found[0], 0.0);
    }
}
