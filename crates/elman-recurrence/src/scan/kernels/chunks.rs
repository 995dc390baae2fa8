//! A layer that is computed in chunks of time steps, so that only the gates of one chunk are in memory at a time.

use std::ops::Range;

use burn::{
    backend::{TensorMetadata, tensor::FloatTensor},
    tensor::Shape,
};
use elman_cpu::{
    BackwardInto, Forward, Isa, Linear, LinearInto, ScanOptions, Zoneout, backward, forward, linear, linear_backward,
    saved_len, threads,
};
use elman_layers::cpu::CpuBackend;

use super::{
    cpu::InputValues,
    extension::{Inputs, ScanSpec},
    input_projection::{ActiveRows, OperandValues, Operands},
    optional::{non_empty, non_empty_mut, tensors},
};

/// Minimum number of rows (batch × time) of a chunk, for efficient matrix products.
const MIN_ROWS: usize = 512;
/// Minimum number of time steps of a chunk.
const MIN_STEPS: usize = 64;

/// One direction of a layer.
pub(super) struct ChunkedLayer<B: CpuBackend> {
    spec: ScanSpec,
    rows: ActiveRows,
    operands: OperandValues<B>,
    inputs: InputValues<B>,
    /// Shapes of the differentiated tensors, in the order of [`backward`](Self::backward).
    shapes: [Shape; 9],
    device: B::Device,
}

/// A chunk of time steps of a layer.
struct Chunk {
    steps: Range<usize>,
    spec: ScanSpec,
    rows: Option<Vec<usize>>,
    zoneout: Vec<f32>,
}

/// The states of all time steps, and the initial states of all chunks in the order of computation.
pub(super) struct ChunkedOutput<B: CpuBackend> {
    pub states: FloatTensor<B>,
    pub initial_states: FloatTensor<B>,
}

impl<B: CpuBackend> ChunkedLayer<B> {
    pub fn new(spec: ScanSpec, rows: ActiveRows, operands: Operands<B>, inputs: Inputs<B>) -> Self {
        let (o, i) = (&operands, &inputs);
        let differentiated =
            [&o.x, &o.weights, &o.bias, &o.gain, &i.weights, &i.bias, &i.state, &i.projection, &i.gain];
        let (shapes, device) = (differentiated.map(|tensor| tensor.shape()), o.x.device());
        let (operands, inputs) = (OperandValues::new(operands), InputValues::new(inputs));
        Self { spec, rows, operands, inputs, shapes, device }
    }

    pub fn forward(&self) -> ChunkedOutput<B> {
        let sequences = self.spec.sequences();
        let mut states = vec![0.0; sequences.state_len(self.spec.kernel.states(), sequences.time)];
        let (mut initial_states, mut state) = (Vec::new(), self.inputs.state.to_vec());
        for chunk in self.chunks() {
            let (input_projection, _) = self.input_projection(&chunk, false);
            let (chunk_states, _) = self.scan(&chunk, &input_projection, &state, false);
            let time = chunk.spec.time;
            for (from, into) in self.state_ranges(time, 0..time).zip(self.full_state_ranges(chunk.steps.clone())) {
                states[into].copy_from_slice(&chunk_states[from]);
            }
            let last = self.state_ranges(time, chunk.last_step());
            let last = last.flat_map(|range| &chunk_states[range]).copied().collect();
            initial_states.extend(std::mem::replace(&mut state, last));
        }
        let (states_len, initial_len) = (states.len(), initial_states.len());
        ChunkedOutput {
            states: B::tensor(states, [states_len], &self.device),
            initial_states: B::tensor(initial_states, [initial_len], &self.device),
        }
    }

    /// The gradients with respect to the input, the weights, bias and gain of the input projection, the recurrent
    /// weights, the recurrent bias, the initial state, the projection and the recurrent gain; empty if not requested by
    /// `needs_grad`.
    pub fn backward(
        &self,
        needs_grad: [bool; 9],
        initial_states: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> [FloatTensor<B>; 9] {
        let [initial_states, gradient] = [initial_states, gradient].map(B::values);
        let (isa, step) = (Isa::best(), self.spec.batch * self.operands.width);
        let sizes: [usize; 9] = std::array::from_fn(|n| if needs_grad[n] { self.shapes[n].num_elements() } else { 0 });
        let [x_size, w_size, b_size, g_size, hidden_size, bias_size, _, projection_size, gain_size] = sizes;
        let mut d_x = vec![0.0; x_size];
        let mut sums: [Vec<f32>; 7] = Default::default();
        let mut d_state = vec![0.0; self.inputs.state.len()];
        for (chunk, state) in self.chunks().iter().zip(initial_states.chunks_exact(d_state.len())).rev() {
            let mut d_states: Vec<f32> =
                self.full_state_ranges(chunk.steps.clone()).flat_map(|range| &gradient[range]).copied().collect();
            // add the gradient with respect to the next chunk's initial state
            let mut d_next = d_state.iter();
            for range in self.state_ranges(chunk.spec.time, chunk.last_step()) {
                d_states[range].iter_mut().zip(&mut d_next).for_each(|(d, d_next)| *d += d_next);
            }
            let (input_projection, saved_by_linear) = self.input_projection(chunk, true);
            let (states, saved) = self.scan(chunk, &input_projection, state, true);
            let mut d_input_projection = input_projection; // reuses the buffer
            d_input_projection.fill(0.0);
            let [mut w, mut b, mut g, mut hidden, mut bias, mut projection, mut gain] =
                [w_size, b_size, g_size, hidden_size, bias_size, projection_size, gain_size].map(|len| vec![0.0; len]);
            let from = elman_cpu::Backward {
                sequences: chunk.spec.sequences(),
                weights: &self.inputs.weights,
                state,
                variant: self.options(chunk),
                states: &states,
                saved: &saved,
                gradient: &d_states,
            };
            let into = BackwardInto {
                input: &mut d_input_projection,
                state: &mut d_state,
                weights: non_empty_mut(&mut hidden),
                bias: non_empty_mut(&mut bias),
                projection: non_empty_mut(&mut projection),
                gain: non_empty_mut(&mut gain),
            };
            backward(chunk.spec.cpu_kernel(), isa, threads(), from, into);
            let range = chunk.steps.start * step..chunk.steps.end * step;
            let (weights, x) = (non_empty_mut(&mut w), d_x.get_mut(range));
            let into = LinearInto { x, weights, bias: non_empty_mut(&mut b), gain: non_empty_mut(&mut g) };
            linear_backward(isa, self.linear(chunk), &saved_by_linear, &d_input_projection, into);
            for (sum, part) in sums.iter_mut().zip([w, b, g, hidden, bias, projection, gain]) {
                match sum.is_empty() {
                    true => *sum = part,
                    false => sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part),
                }
            }
        }
        let [w, b, g, hidden, bias, projection, gain] = sums;
        let all = [d_x, w, b, g, hidden, bias, d_state, projection, gain];
        tensors::<B, 9>(all, self.shapes.clone(), &self.device)
    }

    /// All chunks, in the order of computation.
    fn chunks(&self) -> Vec<Chunk> {
        let ScanSpec { time, batch, reverse, .. } = self.spec;
        let len = MIN_ROWS.div_ceil(batch).max(MIN_STEPS).max(time.isqrt());
        let mut chunks: Vec<Chunk> =
            (0..time).step_by(len).map(|start| self.chunk(start..time.min(start + len))).collect();
        if reverse {
            chunks.reverse();
        }
        chunks
    }

    fn chunk(&self, steps: Range<usize>) -> Chunk {
        let Range { start, end } = steps;
        let chunk_lengths = |all: &[usize]| all.iter().map(|length| length.clamp(&start, &end) - start).collect();
        let (first_row, end_row) = (start * self.spec.batch, end * self.spec.batch);
        let chunk_rows = |all: &[usize]| {
            let [from, to] = [first_row, end_row].map(|bound| all.partition_point(|row| *row < bound));
            all[from..to].iter().map(|row| row - first_row).collect()
        };
        let lengths = self.spec.lengths.as_deref().map(chunk_lengths);
        let zoneout = match self.inputs.zoneout.is_empty() {
            true => Vec::new(),
            false => {
                self.full_state_ranges(start..end).flat_map(|range| &self.inputs.zoneout[range]).copied().collect()
            }
        };
        let spec = ScanSpec { time: end - start, lengths, ..self.spec.clone() };
        Chunk { steps, spec, rows: self.rows.as_deref().map(chunk_rows), zoneout }
    }

    /// The range of the given time steps of each state in a buffer of all time steps.
    fn full_state_ranges(&self, steps: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        self.state_ranges(self.spec.time, steps)
    }

    /// The range of the given time steps of each state in a buffer of `time` time steps.
    fn state_ranges(&self, time: usize, steps: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<B> {
        let ScanSpec { batch, hidden, output, .. } = self.spec;
        (0..self.spec.kernel.states()).map(move |n| {
            let offset = if n == 0 { 0 } else { time * batch * (output + (n - 1) * hidden) };
            let step = batch * if n == 0 { output } else { hidden };
            offset + steps.start * step..offset + steps.end * step
        })
    }

    fn linear<'a>(&'a self, chunk: &'a Chunk) -> Linear<'a> {
        let step = self.spec.batch * self.operands.width;
        let x = &self.operands.x[chunk.steps.start * step..chunk.steps.end * step];
        Linear { x, rows: chunk.rows.as_deref(), ..self.operands.linear(&self.rows) }
    }

    /// The input projection of a chunk and, if `save` is set, the values that backward needs.
    fn input_projection(&self, chunk: &Chunk, save: bool) -> (Vec<f32>, Vec<f32>) {
        let from = self.linear(chunk);
        let rows = chunk.spec.time * self.spec.batch;
        let mut output = vec![0.0; rows * self.spec.kernel.gates() * self.spec.hidden];
        let mut saved = vec![0.0; if save { from.saved_len() } else { 0 }];
        linear(Isa::best(), from, &mut output, save.then_some(&mut saved[..]));
        (output, saved)
    }

    /// The states of a chunk and, if `save` is set, the values that backward needs.
    fn scan(&self, chunk: &Chunk, input: &[f32], state: &[f32], save: bool) -> (Vec<f32>, Vec<f32>) {
        let (kernel, sequences, options) = (chunk.spec.cpu_kernel(), chunk.spec.sequences(), self.options(chunk));
        let (weights, bias) = (&self.inputs.weights, non_empty(&self.inputs.bias));
        let from = Forward { sequences, input, weights, bias, state, variant: options };
        let mut states = vec![0.0; sequences.state_len(chunk.spec.kernel.states(), sequences.time)];
        let mut saved = vec![0.0; if save { saved_len(kernel, &sequences, &options) } else { 0 }];
        forward(kernel, Isa::best(), threads(), from, &mut states, save.then_some(&mut saved[..]));
        (states, saved)
    }

    fn options<'a>(&'a self, chunk: &'a Chunk) -> ScanOptions<'a> {
        let options = self.inputs.options(&self.spec);
        ScanOptions { zoneout: non_empty(&chunk.zoneout).map(Zoneout::Masks).or(options.zoneout), ..options }
    }
}

impl Chunk {
    /// The time step that is computed last.
    fn last_step(&self) -> Range<usize> {
        if self.spec.reverse { 0..1 } else { self.spec.time - 1..self.spec.time }
    }
}
