//! A cell that is not of this crate.
#![cfg(feature = "wgpu")]

use cubecl::prelude::*;
use elman_cube::{
    Buffer, Direction, Kernel, Operands, ScanArgs, Sequences,
    cell::{Counts, NoCandidateInput, Pointwise, sigmoid, through_sigmoid, through_tanh},
};

const TIME: usize = 6;
const BATCH: usize = 3;
const HIDDEN: usize = 5;

/// h' = u ⊙ h + (1 − u) ⊙ tanh(n), the update gate recurrent neural network (Collins et al. 2017).
#[derive(Clone, Copy, Debug)]
struct Ugrnn;

impl Counts for Ugrnn {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;
    type Late = NoCandidateInput;
}

#[cube]
impl Pointwise for Ugrnn {
    fn forward(
        input: &Array<f32>,
        recurrent: &Array<f32>,
        state: &Array<f32>,
        next: &mut Array<f32>,
        saved: &mut Array<f32>,
    ) {
        let u = sigmoid(input[0] + recurrent[0]);
        let n = (input[1] + recurrent[1]).tanh();
        next[0] = n + u * (state[0] - n);
        saved[0] = u;
        saved[1] = n;
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
        let u = saved[0];
        let n = saved[1];
        let by = gradient[0];
        by_input[0] = through_sigmoid(by * (before[0] - n), u);
        by_input[1] = through_tanh(by * (1.0f32 - u), n);
        by_state[0] = by * u;
    }
}

/// Numbers between −1 and 1, always the same.
fn numbers(seed: u32, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut one = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // as float32 holds it
        f64::from(2.0 * (state as f32 / u32::MAX as f32) - 1.0)
    };
    (0..len).map(|_| one()).collect()
}

/// The walk as the formulas say it, in float64: the states `[T, B, H]`.
fn walk(input: &[f64], weights: &[f64], initial: &[f64]) -> Vec<f64> {
    let mut states: Vec<f64> = Vec::new();
    for t in 0..TIME {
        for row in 0..BATCH {
            let before = |unit: usize| match t {
                0 => initial[row * HIDDEN + unit],
                _ => states[((t - 1) * BATCH + row) * HIDDEN + unit],
            };
            let gate = |gate: usize, unit: usize| {
                let column = gate * HIDDEN + unit;
                let product: f64 = (0..HIDDEN).map(|k| weights[column * HIDDEN + k] * before(k)).sum();
                input[(t * BATCH + row) * 2 * HIDDEN + column] + product
            };
            let next: Vec<f64> = (0..HIDDEN)
                .map(|unit| {
                    let (u, n) = (1.0 / (1.0 + (-gate(0, unit)).exp()), gate(1, unit).tanh());
                    u * before(unit) + (1.0 - u) * n
                })
                .collect();
            states.extend(next);
        }
    }
    states
}

#[test]
fn its_walk_is_what_its_formulas_say_and_its_gradient_is_the_slope() {
    let client = cubecl::Device::default().client();
    let (input, weights) = (numbers(1, TIME * BATCH * 2 * HIDDEN), numbers(2, 2 * HIDDEN * HIDDEN));
    let (initial, gradient) = (numbers(3, BATCH * HIDDEN), numbers(4, TIME * BATCH * HIDDEN));
    let up = |numbers: &[f64]| {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| (*number as f32).to_ne_bytes()).collect();
        Buffer::new(client.create_from_slice(&bytes), numbers.len())
    };
    let down = |buffer: Buffer| -> Vec<f64> {
        let bytes = client.read_one(buffer.into_handle()).expect("the walk has ended");
        bytes.chunks_exact(4).map(|bytes| f64::from(f32::from_ne_bytes(bytes.try_into().expect("four")))).collect()
    };
    let sequences = Sequences {
        time: TIME,
        batch: BATCH,
        hidden: HIDDEN,
        output: HIDDEN,
        direction: Direction::Forward,
        lengths: None,
    };
    let operands = Operands {
        weights: Some(up(&weights)),
        bias: None,
        projection: None,
        gain: None,
        state: up(&initial),
        dropout: None,
        zoneout: None,
    };
    let kernel = Kernel::new::<Ugrnn>();
    let of = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
    let walked = kernel.forward(of, &up(&input), true);
    let by_input = down(kernel.backward(of, &walked, &up(&gradient)).input);
    for (found, expected) in down(walked.states).iter().zip(walk(&input, &weights, &initial)) {
        assert!((found - expected).abs() < 1e-5, "found {found}, expected {expected}");
    }
    let loss = |input: &[f64]| -> f64 {
        walk(input, &weights, &initial).iter().zip(&gradient).map(|(state, by)| state * by).sum()
    };
    for n in 0..input.len() {
        let off = |by: f64| {
            let mut input = input.clone();
            input[n] += by;
            loss(&input)
        };
        let slope = (off(1e-5) - off(-1e-5)) / 2e-5;
        assert!((by_input[n] - slope).abs() < 1e-4, "by input {n}: found {}, the slope is {slope}", by_input[n]);
    }
}
