//! Recurrences as plain loops in f64, and random test cases for them.

#![allow(dead_code)] // each test crate uses a part of this module

use elman_cpu::{
    Backward, BackwardInto, Forward, Isa, Kernel, LayerNorm, ScanOptions, Sequences, Zoneout, backward,
    cell::Activation, forward, saved_len,
};

pub const EPSILON: f32 = 1e-3;

/// The built-in cells, with the step of one unit in f64.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    RnnTanh,
    RnnRelu,
    Gru,
    GruResetBefore,
    Lstm,
    MinGru,
    MinLstm,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `g` of minGRU and minLSTM.
fn positive(v: f64) -> f64 {
    if v >= 0.0 { v + 0.5 } else { sigmoid(v) }
}

impl Cell {
    pub fn kernel(self) -> Kernel {
        match self {
            Self::RnnTanh => Kernel::rnn(Activation::Tanh),
            Self::RnnRelu => Kernel::rnn(Activation::Relu),
            Self::Gru => Kernel::gru(),
            Self::GruResetBefore => Kernel::gru_reset_before(),
            Self::Lstm => Kernel::lstm(),
            Self::MinGru => Kernel::min_gru(),
            Self::MinLstm => Kernel::min_lstm(),
        }
    }

    fn candidate_gates(self) -> usize {
        usize::from(self == Self::GruResetBefore)
    }

    /// The input of the candidate gates' recurrent product.
    fn candidate_input(self, x: &[f64], h: &[f64], hidden: f64) -> f64 {
        sigmoid(x[0] + h[0]) * hidden
    }

    /// The next states of one unit, given the input projection and the recurrent product of its gates, and its states.
    fn step(self, x: &[f64], h: &[f64], state: &[f64]) -> Vec<f64> {
        match self {
            Self::RnnTanh => vec![(x[0] + h[0]).tanh()],
            Self::RnnRelu => vec![(x[0] + h[0]).max(0.0)],
            Self::Gru => {
                let (r, z) = (sigmoid(x[0] + h[0]), sigmoid(x[1] + h[1]));
                vec![(1.0 - z) * (x[2] + r * h[2]).tanh() + z * state[0]]
            }
            Self::GruResetBefore => {
                let z = sigmoid(x[1] + h[1]);
                vec![(1.0 - z) * (x[2] + h[2]).tanh() + z * state[0]]
            }
            Self::Lstm => {
                let c = sigmoid(x[1] + h[1]) * state[1] + sigmoid(x[0] + h[0]) * (x[2] + h[2]).tanh();
                vec![sigmoid(x[3] + h[3]) * c.tanh(), c]
            }
            Self::MinGru => {
                let z = sigmoid(x[0]);
                vec![(1.0 - z) * state[0] + z * positive(x[1])]
            }
            Self::MinLstm => {
                let (f, i) = (sigmoid(x[0]), sigmoid(x[1]));
                vec![f / (f + i) * state[0] + i / (f + i) * positive(x[2])]
            }
        }
    }
}

/// Options of a test case, see [`ScanOptions`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Options {
    pub projection: Option<usize>,
    pub norm: bool,
    pub dropout: bool,
    pub zoneout: Option<ZoneoutKind>,
}

/// A variant of [`Zoneout`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ZoneoutKind {
    Masks,
    Rates,
}

#[derive(Clone, Debug)]
pub struct Case {
    pub cell: Cell,
    pub kernel: Kernel,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    pub output: usize,
    pub reverse: bool,
    pub lengths: Option<Vec<usize>>,
    pub options: Options,
    /// The differentiable arguments: input projection, recurrent weights, recurrent bias, initial state, projection,
    /// gain.
    pub arguments: [Vec<f32>; 6],
    dropout: Vec<f32>,
    masks: Vec<f32>,
}

pub const NAMES: [&str; 6] = ["input", "weights", "bias", "state", "projection", "gain"];
/// Zoneout probabilities of the hidden state and of the second state.
const RATES: [f32; 2] = [0.25, 0.5];

/// Uniform in ±1 (a linear congruential generator).
pub fn random(count: usize, seed: &mut u64) -> Vec<f32> {
    let mut next = || {
        *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (*seed >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

/// The gradients with respect to the arguments; empty if the argument is empty.
pub type Gradients = [Vec<f32>; 6];

impl Case {
    pub fn new(cell: Cell, [time, batch, hidden]: [usize; 3], reverse: bool, ragged: bool, options: Options) -> Self {
        let (kernel, mut seed) = (cell.kernel(), (time * 100 + batch * 10 + hidden) as u64);
        let output = options.projection.unwrap_or(hidden);
        let rows = kernel.recurrent_rows(hidden);
        let scaled = |values: Vec<f32>, width: usize| values.iter().map(|w| w / (width as f32).sqrt()).collect();
        let states = |times: usize| times * batch * (output + (kernel.states() - 1) * hidden);
        let mask = |count: usize, seed: &mut u64, value: f32| {
            random(count, seed).iter().map(|x| if *x > 0.0 { value } else { 0.0 }).collect()
        };
        let arguments = [
            random(time * batch * kernel.gates() * hidden, &mut seed),
            scaled(random(rows * output, &mut seed), output),
            random(rows, &mut seed),
            random(states(1), &mut seed),
            scaled(random(options.projection.unwrap_or(0) * hidden, &mut seed), hidden),
            random(if options.norm { rows } else { 0 }, &mut seed).iter().map(|g| 1.0 + g / 2.0).collect(),
        ];
        Self {
            lengths: ragged.then(|| (0..batch).map(|row| (row * 7 + 3) % (time + 1)).collect()),
            dropout: mask(batch * output, &mut seed, 2.0),
            masks: mask(states(time), &mut seed, 1.0),
            cell,
            kernel,
            time,
            batch,
            hidden,
            output,
            reverse,
            options,
            arguments,
        }
    }

    fn sequences(&self) -> Sequences<'_> {
        let Self { time, batch, hidden, output, reverse, ref lengths, .. } = *self;
        Sequences { time, batch, hidden, output, reverse, lengths: lengths.as_deref() }
    }

    fn scan_options(&self) -> ScanOptions<'_> {
        let [.., projection, gain] = &self.arguments;
        ScanOptions {
            projection: self.options.projection.map(|_| &projection[..]),
            norm: self.options.norm.then_some(LayerNorm { gain, epsilon: EPSILON }),
            dropout: self.options.dropout.then_some(&self.dropout[..]),
            zoneout: self.options.zoneout.map(|kind| match kind {
                ZoneoutKind::Masks => Zoneout::Masks(&self.masks),
                ZoneoutKind::Rates => Zoneout::Rates(RATES),
            }),
        }
    }

    /// The states and the saved values.
    pub fn forward(&self, isa: Isa, threads: usize, save: bool) -> (Vec<f32>, Vec<f32>) {
        let [input, weights, bias, state, ..] = &self.arguments;
        let (sequences, variant) = (self.sequences(), self.scan_options());
        // NaN reveals elements that are not written
        let mut states = vec![f32::NAN; sequences.state_len(self.kernel.states(), self.time)];
        let mut saved = vec![f32::NAN; saved_len(&self.kernel, &sequences, &variant)];
        let from = Forward { sequences, input, weights, bias: Some(bias), state, variant };
        forward(&self.kernel, isa, threads, from, &mut states, save.then_some(&mut saved));
        (states, saved)
    }

    pub fn backward(&self, isa: Isa, threads: usize, gradient: &[f32]) -> Gradients {
        self.gradients(isa, threads, gradient, true)
    }

    /// Only the gradients with respect to input projection and initial state.
    pub fn backward_without_weights(&self, gradient: &[f32]) -> Gradients {
        self.gradients(Isa::best(), 1, gradient, false)
    }

    fn gradients(&self, isa: Isa, threads: usize, gradient: &[f32], with_weights: bool) -> Gradients {
        let (states, saved) = self.forward(isa, threads, true);
        let mut into = self.arguments.clone().map(|argument| vec![f32::NAN; argument.len()]);
        let [input, weights, bias, state, projection, gain] = &mut into;
        fn some(is_needed: bool, values: &mut [f32]) -> Option<&mut [f32]> {
            is_needed.then_some(values)
        }
        let recurrent = with_weights && self.kernel.is_recurrent();
        let is_projected = with_weights && self.options.projection.is_some();
        let buffers = BackwardInto {
            input,
            state,
            weights: some(recurrent, weights),
            bias: some(recurrent, bias),
            projection: some(is_projected, projection),
            gain: some(with_weights && self.options.norm, gain),
        };
        let from = Backward {
            sequences: self.sequences(),
            weights: &self.arguments[1],
            state: &self.arguments[3],
            variant: self.scan_options(),
            states: &states,
            saved: &saved,
            gradient,
        };
        backward(&self.kernel, isa, threads, from, buffers);
        into
    }

    /// The arguments in f64.
    pub fn arguments_f64(&self) -> [Vec<f64>; 6] {
        self.arguments.clone().map(|values| values.into_iter().map(f64::from).collect())
    }

    /// The states by plain loops.
    pub fn plain(&self, [input, weights, bias, state, projection, gain]: &[Vec<f64>; 6]) -> Vec<f64> {
        let Self { cell, time, batch, hidden, output, .. } = *self;
        let (gates, count) = (self.kernel.gates(), self.kernel.states());
        let width = |n: usize| if n == 0 { output } else { hidden };
        let offset = |n: usize, times: usize, t: usize, row: usize| match n {
            0 => (t * batch + row) * output,
            n => times * batch * output + (((n - 1) * times + t) * batch + row) * hidden,
        };
        let mut states = vec![0.0; offset(count, time, 0, 0)];
        for row in 0..batch {
            let mut s: Vec<Vec<f64>> = (0..count).map(|n| state[offset(n, 1, 0, row)..][..width(n)].to_vec()).collect();
            for n in 0..time {
                let t = if self.reverse { time - 1 - n } else { n };
                if self.lengths.as_ref().is_none_or(|lengths| t < lengths[row]) {
                    let recurrent_input: Vec<f64> = (0..output)
                        .map(|k| {
                            if self.options.dropout {
                                s[0][k] * f64::from(self.dropout[row * output + k])
                            } else {
                                s[0][k]
                            }
                        })
                        .collect();
                    let x = |unit: usize| -> Vec<f64> {
                        (0..gates).map(|g| input[((t * batch + row) * gates + g) * hidden + unit]).collect()
                    };
                    // the recurrent product of gates that are normalized together
                    let products = |from: usize, to: usize, input: &[f64]| -> Vec<f64> {
                        let dot = |r: usize| (0..output).map(|k| weights[r * output + k] * input[k]).sum::<f64>();
                        let product: Vec<f64> = (from * hidden..to * hidden).map(dot).collect();
                        let mean = product.iter().sum::<f64>() / product.len() as f64;
                        let variance = product.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / product.len() as f64;
                        let scale = 1.0 / (variance + f64::from(EPSILON)).sqrt();
                        let finish = |(n, v): (usize, &f64)| {
                            let r = from * hidden + n;
                            if self.options.norm { bias[r] + gain[r] * (v - mean) * scale } else { bias[r] + v }
                        };
                        product.iter().enumerate().map(finish).collect()
                    };
                    let mut h = Vec::new();
                    if self.kernel.is_recurrent() {
                        let first_candidate = gates - cell.candidate_gates();
                        h = products(0, first_candidate, &recurrent_input);
                        if cell.candidate_gates() > 0 {
                            let product =
                                |unit: usize| (0..first_candidate).map(|g| h[g * hidden + unit]).collect::<Vec<_>>();
                            let candidate_input: Vec<f64> = (0..hidden)
                                .map(|u| cell.candidate_input(&x(u), &product(u), recurrent_input[u]))
                                .collect();
                            h.extend(products(first_candidate, gates, &candidate_input));
                        }
                    }
                    let mut next: Vec<Vec<f64>> = vec![vec![0.0; hidden]; count];
                    for unit in 0..hidden {
                        let h: Vec<f64> = h.iter().skip(unit).step_by(hidden).copied().collect();
                        let state: Vec<f64> = s.iter().map(|s| s.get(unit).copied().unwrap_or(0.0)).collect();
                        for (next, value) in next.iter_mut().zip(cell.step(&x(unit), &h, &state)) {
                            next[unit] = value;
                        }
                    }
                    if self.options.projection.is_some() {
                        let project = |p: usize| (0..hidden).map(|k| projection[p * hidden + k] * next[0][k]).sum();
                        next[0] = (0..output).map(project).collect();
                    }
                    for (n, (s, next)) in s.iter_mut().zip(next).enumerate() {
                        for (k, (s, next)) in s.iter_mut().zip(next).enumerate() {
                            let z = match self.options.zoneout {
                                None => 0.0,
                                Some(ZoneoutKind::Masks) => f64::from(self.masks[offset(n, time, t, row) + k]),
                                Some(ZoneoutKind::Rates) => f64::from(RATES[n]),
                            };
                            *s = z * *s + (1.0 - z) * next;
                        }
                    }
                }
                for (n, s) in s.iter().enumerate() {
                    states[offset(n, time, t, row)..][..s.len()].copy_from_slice(s);
                }
            }
        }
        states
    }
}

pub fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0, |m: f64, e| m.max(e.abs()));
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= tolerance * scale, "{what}: element {n} is {found}, expected {expected}");
    }
}
