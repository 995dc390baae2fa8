//! A layer that is computed in pieces of time, so that its gates are never there for more than one of them.

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
    extension::{Inputs, Walk},
    host::Numbers,
    optional::{asked, some, tensors},
    product::{self, Operands, Rows},
};

/// Rows of a piece that make its matrix products worth their while, and so many time steps at least.
const ROWS: usize = 512;
const STEPS: usize = 64;

/// A layer in one direction.
pub(super) struct Layer<B: CpuBackend> {
    walk: Walk,
    rows: Rows,
    operands: product::Numbers<B>,
    inputs: Numbers<B>,
    /// Of what is differentiated, in the order of [`backward`](Self::backward).
    shapes: [Shape; 9],
    device: B::Device,
}

/// Some time steps of it.
struct Piece {
    steps: Range<usize>,
    walk: Walk,
    rows: Option<Vec<usize>>,
    zoneout: Vec<f32>,
}

/// The states of all time steps, and those before each piece, in the order in which they are computed.
pub(super) struct Chunked<B: CpuBackend> {
    pub states: FloatTensor<B>,
    pub starts: FloatTensor<B>,
}

impl<B: CpuBackend> Layer<B> {
    pub fn new(walk: Walk, rows: Rows, operands: Operands<B>, inputs: Inputs<B>) -> Self {
        let (o, i) = (&operands, &inputs);
        let differentiated =
            [&o.x, &o.weights, &o.bias, &o.gain, &i.weights, &i.bias, &i.state, &i.projection, &i.gain];
        let (shapes, device) = (differentiated.map(|tensor| tensor.shape()), o.x.device());
        Self { walk, rows, operands: product::Numbers::of(operands), inputs: Numbers::of(inputs), shapes, device }
    }

    pub fn forward(&self) -> Chunked<B> {
        let sequences = self.walk.sequences();
        let mut states = vec![0.0; sequences.state_len(self.walk.kernel.states(), sequences.time)];
        let (mut starts, mut state) = (Vec::new(), self.inputs.state.to_vec());
        for piece in self.pieces() {
            let (product, _) = self.product(&piece, false);
            let (found, _) = self.states(&piece, &product, &state, false);
            for (from, into) in
                self.places(piece.walk.time, 0..piece.walk.time).zip(self.all_places(piece.steps.clone()))
            {
                states[into].copy_from_slice(&found[from]);
            }
            let last = self.places(piece.walk.time, piece.last()).flat_map(|place| &found[place]).copied().collect();
            starts.extend(std::mem::replace(&mut state, last));
        }
        let len = states.len();
        let starts_len = starts.len();
        Chunked {
            states: B::tensor(states, [len], &self.device),
            starts: B::tensor(starts, [starts_len], &self.device),
        }
    }

    /// The gradients that are wanted of the input, the weights, bias and gain of its product, and the recurrent weights, their bias,
    /// the initial state, the projection and the recurrent gain; empty where none was asked for.
    pub fn backward(&self, wanted: [bool; 9], starts: FloatTensor<B>, gradient: FloatTensor<B>) -> [FloatTensor<B>; 9] {
        let [starts, gradient] = [starts, gradient].map(B::values);
        let (isa, step) = (Isa::best(), self.walk.batch * self.operands.width);
        let sizes: [usize; 9] = std::array::from_fn(|n| if wanted[n] { self.shapes[n].num_elements() } else { 0 });
        let [x_size, w_size, b_size, g_size, hidden_size, bias_size, _, projection_size, gain_size] = sizes;
        let mut by_x = vec![0.0; x_size];
        let mut sums: [Vec<f32>; 7] = Default::default();
        let mut by_state = vec![0.0; self.inputs.state.len()];
        for (piece, start) in self.pieces().iter().zip(starts.chunks_exact(by_state.len())).rev() {
            let mut by_states: Vec<f32> =
                self.all_places(piece.steps.clone()).flat_map(|place| &gradient[place]).copied().collect();
            // what the piece after this one makes of its initial state
            let mut later = by_state.iter();
            for place in self.places(piece.walk.time, piece.last()) {
                by_states[place].iter_mut().zip(&mut later).for_each(|(by, later)| *by += later);
            }
            let (product, of_product) = self.product(piece, true);
            let (states, saved) = self.states(piece, &product, start, true);
            let mut by_product = product; // as large, and read no more
            by_product.fill(0.0);
            let [mut w, mut b, mut g, mut hidden, mut bias, mut projection, mut gain] =
                [w_size, b_size, g_size, hidden_size, bias_size, projection_size, gain_size].map(|len| vec![0.0; len]);
            let from = elman_cpu::Backward {
                sequences: piece.walk.sequences(),
                weights: &self.inputs.weights,
                state: start,
                variant: self.variant(piece),
                states: &states,
                saved: &saved,
                gradient: &by_states,
            };
            let into = BackwardInto {
                input: &mut by_product,
                state: &mut by_state,
                weights: asked(&mut hidden),
                bias: asked(&mut bias),
                projection: asked(&mut projection),
                gain: asked(&mut gain),
            };
            backward(piece.walk.kernel(), isa, threads(), from, into);
            let steps = piece.steps.start * step..piece.steps.end * step;
            let (weights, x) = (asked(&mut w), by_x.get_mut(steps));
            let into = LinearInto { x, weights, bias: asked(&mut b), gain: asked(&mut g) };
            linear_backward(isa, self.linear(piece), &of_product, &by_product, into);
            for (sum, part) in sums.iter_mut().zip([w, b, g, hidden, bias, projection, gain]) {
                match sum.is_empty() {
                    true => *sum = part,
                    false => sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part),
                }
            }
        }
        let [w, b, g, hidden, bias, projection, gain] = sums;
        let all = [by_x, w, b, g, hidden, bias, by_state, projection, gain];
        tensors::<B, 9>(all, self.shapes.clone(), &self.device)
    }

    /// All pieces, in the order in which they are computed.
    fn pieces(&self) -> Vec<Piece> {
        let Walk { time, batch, reverse, .. } = self.walk;
        let len = ROWS.div_ceil(batch).max(STEPS).max(time.isqrt());
        let mut pieces: Vec<Piece> =
            (0..time).step_by(len).map(|start| self.piece(start..time.min(start + len))).collect();
        if reverse {
            pieces.reverse();
        }
        pieces
    }

    fn piece(&self, steps: Range<usize>) -> Piece {
        let Range { start, end } = steps;
        let lengths = |of: &[usize]| of.iter().map(|length| length.clamp(&start, &end) - start).collect();
        let (first, past) = (start * self.walk.batch, end * self.walk.batch);
        let rows = |of: &[usize]| {
            let [first_at, past_at] = [first, past].map(|bound| of.partition_point(|row| *row < bound));
            of[first_at..past_at].iter().map(|row| row - first).collect()
        };
        let lengths = self.walk.lengths.as_deref().map(lengths);
        let zoneout = match self.inputs.zoneout.is_empty() {
            true => Vec::new(),
            false => self.all_places(start..end).flat_map(|place| &self.inputs.zoneout[place]).copied().collect(),
        };
        let walk = Walk { time: end - start, lengths, ..self.walk.clone() };
        Piece { steps, walk, rows: self.rows.as_deref().map(rows), zoneout }
    }

    /// Where some time steps of each state lie among all of them.
    fn all_places(&self, steps: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        self.places(self.walk.time, steps)
    }

    /// Where some time steps of each state lie among `time` of them.
    fn places(&self, time: usize, steps: Range<usize>) -> impl Iterator<Item = Range<usize>> + use<B> {
        let Walk { batch, hidden, output, .. } = self.walk;
        (0..self.walk.kernel.states()).map(move |n| {
            let before = if n == 0 { 0 } else { time * batch * (output + (n - 1) * hidden) };
            let step = batch * if n == 0 { output } else { hidden };
            before + steps.start * step..before + steps.end * step
        })
    }

    fn linear<'a>(&'a self, piece: &'a Piece) -> Linear<'a> {
        let step = self.walk.batch * self.operands.width;
        let x = &self.operands.x[piece.steps.start * step..piece.steps.end * step];
        Linear { x, rows: piece.rows.as_deref(), ..self.operands.linear(&self.rows) }
    }

    /// The input product of a piece, and what its gradient needs if `save` is set.
    fn product(&self, piece: &Piece, save: bool) -> (Vec<f32>, Vec<f32>) {
        let from = self.linear(piece);
        let rows = piece.walk.time * self.walk.batch;
        let mut product = vec![0.0; rows * self.walk.kernel.gates() * self.walk.hidden];
        let mut saved = vec![0.0; if save { from.saved_len() } else { 0 }];
        linear(Isa::best(), from, &mut product, save.then_some(&mut saved[..]));
        (product, saved)
    }

    /// The states of a piece, and what their gradient needs if `save` is set.
    fn states(&self, piece: &Piece, product: &[f32], state: &[f32], save: bool) -> (Vec<f32>, Vec<f32>) {
        let (kernel, sequences, variant) = (piece.walk.kernel(), piece.walk.sequences(), self.variant(piece));
        let (weights, bias) = (&self.inputs.weights, some(&self.inputs.bias));
        let from = Forward { sequences, input: product, weights, bias, state, variant };
        let mut states = vec![0.0; sequences.state_len(piece.walk.kernel.states(), sequences.time)];
        let mut saved = vec![0.0; if save { saved_len(kernel, &sequences, &variant) } else { 0 }];
        forward(kernel, Isa::best(), threads(), from, &mut states, save.then_some(&mut saved[..]));
        (states, saved)
    }

    fn variant<'a>(&'a self, piece: &'a Piece) -> ScanOptions<'a> {
        let of_all = self.inputs.variant(&self.walk);
        ScanOptions { zoneout: some(&piece.zoneout).map(Zoneout::Masks).or(of_all.zoneout), ..of_all }
    }
}

impl Piece {
    /// The time step that is computed last.
    fn last(&self) -> Range<usize> {
        if self.walk.reverse { 0..1 } else { self.walk.time - 1..self.walk.time }
    }
}
