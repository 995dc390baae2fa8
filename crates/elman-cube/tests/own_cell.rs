//! A custom cell.
#![cfg(feature = "wgpu")]

use cubecl::prelude::*;
use elman_cube::{
    Buffer, Direction, Kernel, Operands, ScanArgs, Sequences,
    cell::{CellConstants, NoCandidateInput, Pointwise, sigmoid, sigmoid_backward, tanh_backward},
};

const TIME: usize = 6;
const BATCH: usize = 3;
const HIDDEN: usize = 5;

/// h' = u ⊙ h + (1 − u) ⊙ tanh(n), the update gate RNN (Collins et al. 2017).
#[derive(Clone, Copy, Debug)]
struct Ugrnn;

impl CellConstants for Ugrnn {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;
    type CandidateInput = NoCandidateInput;
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
        d_input: &mut Array<f32>,
        _d_recurrent: &mut Array<f32>,
        d_state: &mut Array<f32>,
    ) {
        let u = saved[0];
        let n = saved[1];
        let dh = gradient[0];
        d_input[0] = sigmoid_backward(dh * (before[0] - n), u);
        d_input[1] = tanh_backward(dh * (1.0f32 - u), n);
        d_state[0] = dh * u;
    }
}

/// Values between −1 and 1.
fn random(seed: u32, len: usize) -> Vec<f64> {
    let mut state = seed;
    let mut one = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // computed in f32, so that the upload is exact
        f64::from(2.0 * (state as f32 / u32::MAX as f32) - 1.0)
    };
    (0..len).map(|_| one()).collect()
}

/// The scan in f64, as the equation reads: returns the states `[T, B, H]`.
fn reference(input: &[f64], weights: &[f64], initial: &[f64]) -> Vec<f64> {
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
fn a_custom_cell_matches_its_equation_and_finite_differences() {
    let client = cubecl::Device::default().client();
    let (input, weights) = (random(1, TIME * BATCH * 2 * HIDDEN), random(2, 2 * HIDDEN * HIDDEN));
    let (initial, gradient) = (random(3, BATCH * HIDDEN), random(4, TIME * BATCH * HIDDEN));
    let upload = |values: &[f64]| {
        let bytes: Vec<u8> = values.iter().flat_map(|value| (*value as f32).to_ne_bytes()).collect();
        Buffer::new(client.create_from_slice(&bytes), values.len())
    };
    let download = |buffer: Buffer| -> Vec<f64> {
        let bytes = client.read_one(buffer.into_handle()).expect("the scan has ended");
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
        weights: Some(upload(&weights)),
        bias: None,
        projection: None,
        gain: None,
        state: upload(&initial),
        dropout: None,
        zoneout: None,
    };
    let kernel = Kernel::new::<Ugrnn>();
    let scan = ScanArgs { client: &client, plan: None, sequences: &sequences, operands: &operands };
    let outputs = kernel.forward(scan, &upload(&input), true);
    let d_input = download(kernel.backward(scan, &outputs, &upload(&gradient)).input);
    for (found, expected) in download(outputs.states).iter().zip(reference(&input, &weights, &initial)) {
        assert!((found - expected).abs() < 1e-5, "found {found}, expected {expected}");
    }
    let loss = |input: &[f64]| -> f64 {
        reference(input, &weights, &initial).iter().zip(&gradient).map(|(state, gradient)| state * gradient).sum()
    };
    for n in 0..input.len() {
        let loss_at = |delta: f64| {
            let mut input = input.clone();
            input[n] += delta;
            loss(&input)
        };
        let slope = (loss_at(1e-5) - loss_at(-1e-5)) / 2e-5;
        assert!((d_input[n] - slope).abs() < 1e-4, "d_input {n}: found {}, expected {slope}", d_input[n]);
    }
}
