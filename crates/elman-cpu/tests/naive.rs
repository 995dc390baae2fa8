//! The kernels against plain loops in float64, and their gradients against finite differences of these loops: every cell,
//! both directions, ragged and full batches, sizes that fill no register, every instruction set, one thread and several.

use elman_cpu::{Backward, BackwardInto, Forward, Isa, Kernel, Sequences, backward, forward};

/// float32 rounding over the time steps of these tests, relative to values of size 1.
const VALUES: f64 = 3e-6;
/// Gradients sum over rows and time, so they are larger; and finite differences are themselves off by 1e-8 or so.
const GRADIENTS: f64 = 2e-5;

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `g` of the minimal cells.
fn positive(v: f64) -> f64 {
    if v >= 0.0 { v + 0.5 } else { sigmoid(v) }
}

/// One unit: the next state from the gates' two products and the state.
fn step(kernel: Kernel, x: &[f64], h: &[f64], state: &[f64]) -> Vec<f64> {
    match kernel {
        Kernel::RnnTanh => vec![(x[0] + h[0]).tanh()],
        Kernel::RnnRelu => vec![(x[0] + h[0]).max(0.0)],
        Kernel::Gru => {
            let (r, z) = (sigmoid(x[0] + h[0]), sigmoid(x[1] + h[1]));
            let n = (x[2] + r * h[2]).tanh();
            vec![(1.0 - z) * n + z * state[0]]
        }
        Kernel::Lstm => {
            let c = sigmoid(x[1] + h[1]) * state[1] + sigmoid(x[0] + h[0]) * (x[2] + h[2]).tanh();
            vec![sigmoid(x[3] + h[3]) * c.tanh(), c]
        }
        Kernel::MinGru => {
            let z = sigmoid(x[0]);
            vec![(1.0 - z) * state[0] + z * positive(x[1])]
        }
        Kernel::MinLstm => {
            let (f, i) = (sigmoid(x[0]), sigmoid(x[1]));
            vec![f / (f + i) * state[0] + i / (f + i) * positive(x[2])]
        }
        other => panic!("{other:?} has no plain loop"),
    }
}

#[derive(Clone)]
struct Case {
    time: usize,
    batch: usize,
    hidden: usize,
    reverse: bool,
    lengths: Option<Vec<usize>>,
    input: Vec<f32>,
    weights: Vec<f32>,
    bias: Vec<f32>,
    state: Vec<f32>,
}

/// Uniform in ±1 (a linear congruential generator).
fn random(count: usize, seed: &mut u64) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

impl Case {
    fn new(kernel: Kernel, time: usize, batch: usize, hidden: usize, reverse: bool, ragged: bool) -> Self {
        let mut seed = (time * 100 + batch * 10 + hidden) as u64;
        let scale = 1.0 / (hidden as f32).sqrt();
        Self {
            time,
            batch,
            hidden,
            reverse,
            lengths: ragged.then(|| (0..batch).map(|row| (row * 7 + 3) % (time + 1)).collect()),
            input: random(time * batch * kernel.gates() * hidden, &mut seed),
            weights: random(kernel.recurrent_rows(hidden) * hidden, &mut seed).iter().map(|w| w * scale).collect(),
            bias: random(kernel.recurrent_rows(hidden), &mut seed),
            state: random(kernel.states() * batch * hidden, &mut seed),
        }
    }

    fn sequences(&self) -> Sequences<'_> {
        let Self { time, batch, hidden, reverse, ref lengths, .. } = *self;
        Sequences { time, batch, hidden, reverse, lengths: lengths.as_deref() }
    }

    fn forward(&self, kernel: Kernel, isa: Isa, threads: usize) -> (Vec<f32>, Vec<f32>) {
        let step = self.time * self.batch * self.hidden;
        // NaN shows what was not written
        let (mut states, mut saved) = (vec![f32::NAN; kernel.states() * step], vec![f32::NAN; kernel.saved() * step]);
        let from = Forward {
            sequences: self.sequences(),
            input: &self.input,
            weights: &self.weights,
            bias: Some(&self.bias),
            state: &self.state,
        };
        forward(kernel, isa, threads, from, &mut states, Some(&mut saved));
        (states, saved)
    }

    /// The gradients by the input product, by the recurrent one where it differs, and by the initial state.
    fn backward(
        &self,
        kernel: Kernel,
        isa: Isa,
        threads: usize,
        (states, saved): &(Vec<f32>, Vec<f32>),
        gradient: &[f32],
    ) -> (Vec<f32>, Option<Vec<f32>>, Vec<f32>) {
        let mut input = vec![f32::NAN; self.input.len()];
        let mut recurrent = kernel.is_split().then(|| input.clone());
        let mut state = vec![f32::NAN; self.state.len()];
        let (sequences, weights) = (self.sequences(), &self.weights);
        let from = Backward { sequences, weights, state: &self.state, states, saved, gradient };
        let into = BackwardInto { input: &mut input, recurrent: recurrent.as_deref_mut(), state: &mut state };
        backward(kernel, isa, threads, from, into);
        (input, recurrent, state)
    }

    fn naive(&self, kernel: Kernel) -> Vec<f64> {
        let f = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        naive(kernel, self, &f(&self.input), &f(&self.weights), &f(&self.bias), &f(&self.state))
    }
}

/// The states, `[STATES, T, B, H]`.
fn naive(kernel: Kernel, case: &Case, input: &[f64], weights: &[f64], bias: &[f64], state: &[f64]) -> Vec<f64> {
    let Case { time, batch, hidden, reverse, ref lengths, .. } = *case;
    let mut states = vec![0.0; kernel.states() * time * batch * hidden];
    for row in 0..batch {
        let at = |n: usize, t: usize, unit: usize| ((n * time + t) * batch + row) * hidden + unit;
        let mut s: Vec<Vec<f64>> =
            (0..kernel.states()).map(|n| state[(n * batch + row) * hidden..][..hidden].to_vec()).collect();
        for n in 0..time {
            let t = if reverse { time - 1 - n } else { n };
            if lengths.as_ref().is_none_or(|lengths| t < lengths[row]) {
                let h = s[0].clone();
                for unit in 0..hidden {
                    let gate = |g: usize| g * hidden + unit;
                    let x: Vec<f64> = (0..kernel.gates())
                        .map(|g| input[(t * batch + row) * kernel.gates() * hidden + gate(g)])
                        .collect();
                    let product = |g: usize| (0..hidden).map(|k| weights[gate(g) * hidden + k] * h[k]).sum::<f64>();
                    let gates = if kernel.is_recurrent() { kernel.gates() } else { 0 };
                    let r: Vec<f64> = (0..gates).map(|g| bias[gate(g)] + product(g)).collect();
                    let before: Vec<f64> = s.iter().map(|s| s[unit]).collect();
                    for (s, next) in s.iter_mut().zip(step(kernel, &x, &r, &before)) {
                        s[unit] = next;
                    }
                }
            }
            for (n, s) in s.iter().enumerate() {
                (0..hidden).for_each(|unit| states[at(n, t, unit)] = s[unit]);
            }
        }
    }
    states
}

fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0, |m: f64, e| m.max(e.abs()));
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (f64::from(*found) - expected).abs();
        assert!(off <= tolerance * scale, "{what}: element {n} is {found}, expected {expected}");
    }
}

fn values(kernel: Kernel) {
    for hidden in [1, 7, 31, 33] {
        for batch in [1, 3, 33] {
            for (time, reverse, ragged) in [(1, false, false), (2, true, false), (5, false, true), (5, true, true)] {
                let case = Case::new(kernel, time, batch, hidden, reverse, ragged);
                let expected = case.naive(kernel);
                for isa in Isa::available() {
                    for threads in [1, 2] {
                        let (states, saved) = case.forward(kernel, isa, threads);
                        let what = format!("{kernel:?} {isa} H{hidden} B{batch} T{time} threads {threads}");
                        assert_close(&what, &states, &expected, VALUES);
                        assert!(ragged || saved.iter().all(|value| !value.is_nan()), "{what}: all is saved");
                    }
                }
            }
        }
    }
}

fn gradients(kernel: Kernel) {
    const STEP: f64 = 1e-5;
    for (hidden, batch, time, reverse, ragged) in
        [(1, 1, 1, false, false), (3, 2, 4, false, true), (9, 3, 3, true, true), (5, 5, 3, true, false)]
    {
        let case = Case::new(kernel, time, batch, hidden, reverse, ragged);
        let step = time * batch * hidden;
        let weights = random(kernel.states() * step, &mut 5);
        let f = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
        let arguments = [f(&case.input), f(&case.weights), f(&case.bias), f(&case.state)];
        let loss = |arguments: &[Vec<f64>; 4]| {
            let [input, recurrent, bias, state] = arguments;
            let states = naive(kernel, &case, input, recurrent, bias, state);
            states.iter().zip(&weights).map(|(s, w)| s * f64::from(*w)).sum::<f64>()
        };
        let numeric = |which: usize| -> Vec<f64> {
            let slope = |n: usize| {
                let mut moved = arguments.clone();
                let [up, down] = [STEP, -STEP].map(|by| {
                    moved[which][n] = arguments[which][n] + by;
                    loss(&moved)
                });
                (up - down) / (2.0 * STEP)
            };
            (0..arguments[which].len()).map(slope).collect()
        };
        let [input, recurrent, bias, state] = [0, 1, 2, 3].map(numeric);

        for isa in Isa::available() {
            let forward = case.forward(kernel, isa, 1);
            let (into_input, into_recurrent, into_state) = case.backward(kernel, isa, 1, &forward, &weights);
            let what = format!("{kernel:?} {isa} H{hidden} B{batch} T{time}");
            assert_close(&format!("{what}: input"), &into_input, &input, GRADIENTS);
            assert_close(&format!("{what}: state"), &into_state, &state, GRADIENTS);
            if !kernel.is_recurrent() {
                continue;
            }
            // the gradient by the product is right if those by weights and bias, its sums over time, are
            let by_product = into_recurrent.as_ref().unwrap_or(&into_input);
            let (by_weights, by_bias) = sums(kernel, &case, by_product, &forward.0);
            assert_close(&format!("{what}: weights"), &by_weights, &recurrent, GRADIENTS);
            assert_close(&format!("{what}: bias"), &by_bias, &bias, GRADIENTS);
        }
    }
}

/// `Σ_t productᵀ h_{t−1}` and `Σ_t product`.
fn sums(kernel: Kernel, case: &Case, product: &[f32], states: &[f32]) -> (Vec<f32>, Vec<f32>) {
    let Case { time, batch, hidden, reverse, .. } = *case;
    let mut weights = vec![0.0; kernel.gates() * hidden * hidden];
    let mut bias = vec![0.0; kernel.gates() * hidden];
    for t in 0..time {
        let before = if reverse { Some(t + 1).filter(|t| *t < time) } else { t.checked_sub(1) };
        for row in 0..batch {
            let h = before.map_or(&case.state[row * hidden..], |t| &states[(t * batch + row) * hidden..]);
            for gate in 0..kernel.gates() * hidden {
                let by = product[(t * batch + row) * kernel.gates() * hidden + gate];
                bias[gate] += by;
                (0..hidden).for_each(|k| weights[gate * hidden + k] += by * h[k]);
            }
        }
    }
    (weights, bias)
}

/// Large enough for threads: rows shared, and units shared with a barrier at every step.
fn threads(kernel: Kernel) {
    let time = if kernel.is_recurrent() { 6 } else { 60 };
    for batch in [1, 2, 16] {
        let case = Case::new(kernel, time, batch, 768, false, batch == 16);
        let expected = case.naive(kernel);
        for isa in Isa::available() {
            let gradient = random(expected.len(), &mut 5);
            let walk = |threads: usize| {
                let forward = case.forward(kernel, isa, threads);
                let (input, _, state) = case.backward(kernel, isa, threads, &forward, &gradient);
                (forward.0, input, state)
            };
            let alone = walk(1);
            assert_close(&format!("{kernel:?} {isa} B{batch}"), &alone.0, &expected, VALUES);
            for threads in [2, 3] {
                let together = walk(threads);
                assert!(together == walk(threads), "the same bits each time");
                let f = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
                let what = format!("{kernel:?} {isa} B{batch} threads {threads}");
                assert_close(&what, &together.0, &f(&alone.0), VALUES);
                assert_close(&what, &together.1, &f(&alone.1), GRADIENTS);
                assert_close(&what, &together.2, &f(&alone.2), GRADIENTS);
            }
        }
    }
}

macro_rules! cells {
    ($($name:ident: $kernel:expr;)*) => { $(mod $name {
        use super::*;

        #[test]
        fn states_equal_plain_loops() {
            values($kernel);
        }

        #[test]
        fn gradients_equal_finite_differences() {
            gradients($kernel);
        }

        #[test]
        fn threads_change_nothing() {
            threads($kernel);
        }
    })* };
}

cells! {
    rnn_tanh: Kernel::RnnTanh;
    rnn_relu: Kernel::RnnRelu;
    gru: Kernel::Gru;
    lstm: Kernel::Lstm;
    min_gru: Kernel::MinGru;
    min_lstm: Kernel::MinLstm;
}
