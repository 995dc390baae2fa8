//! The scan on a graphics card: the kernels of `elman-cube`, and burn's matrix products over all time steps.

use std::ops::Range;

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, FloatDType, Shape, Slice},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use elman_cube::{Buffer, Direction, Kernel, Number, Operands, ScanOptions, Sequences, Zoneout};

use super::{
    extension::{ByInputs, Inputs, Recurrence, ScanKernels, Walk, Walked},
    kernel::Kernels,
};

type B = CubeBackend;

/// The numbers of a tensor in row-major order.
fn buffer(tensor: CubeTensor) -> Buffer {
    let (len, number) = (tensor.shape().num_elements(), number_of(tensor.dtype()));
    Buffer::of(into_contiguous(tensor).handle, len, number.expect("looked at before"))
}

/// How the numbers of a type are stored, if the kernels know it.
pub(super) fn number_of(dtype: DType) -> Option<Number> {
    match dtype {
        DType::F32 => Some(Number::F32),
        DType::F16 => Some(Number::F16),
        DType::BF16 => Some(Number::Bf16),
        _ => None,
    }
}

/// The numbers, if there are any.
fn some(tensor: CubeTensor) -> Option<Buffer> {
    (tensor.shape().num_elements() > 0).then(|| buffer(tensor))
}

/// A tensor on the device of another.
fn tensor(buffer: Buffer, shape: Shape, like: &CubeTensor) -> CubeTensor {
    let dtype = match buffer.number() {
        Number::F32 => DType::F32,
        Number::F16 => DType::F16,
        Number::Bf16 => DType::BF16,
    };
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, buffer.into_handle(), dtype)
}

fn empty(like: &CubeTensor) -> CubeTensor {
    tensor(Buffer::empty(&like.client, 0), Shape::new([0]), like)
}

impl Walk {
    fn cube(&self) -> &Kernel {
        match &self.kernel {
            Kernels::Cube(kernel) => kernel,
            Kernels::Processor(_) => unreachable!("chosen for the device"),
        }
    }

    /// The sizes alone.
    fn sizes(&self) -> Sequences {
        let Self { time, batch, hidden, output, reverse, both_ways, .. } = *self;
        let direction = match (both_ways, reverse) {
            (true, _) => Direction::Bidirectional,
            (false, true) => Direction::Reverse,
            (false, false) => Direction::Forward,
        };
        Sequences { time, batch, hidden, output, direction, lengths: None }
    }

    fn sequences_on(&self, like: &CubeTensor) -> Sequences {
        let lengths = self.lengths.as_ref().map(|lengths| {
            let lengths: Vec<u8> = lengths.iter().flat_map(|length| (*length as u32).to_ne_bytes()).collect();
            Buffer::new(like.client.create_from_slice(&lengths), self.batch)
        });
        Sequences { lengths, ..self.sizes() }
    }

    /// How many numbers are saved and kept for the way back.
    pub(super) fn kept(&self, variant: ScanOptions) -> [usize; 2] {
        self.cube().kept(&self.sizes(), variant)
    }

    fn operands(&self, inputs: Inputs<B>) -> Operands {
        Operands {
            weights: some(inputs.weights),
            bias: some(inputs.bias),
            projection: some(inputs.projection),
            gain: some(inputs.gain),
            state: buffer(inputs.state),
            dropout: some(inputs.dropout),
            zoneout: some(inputs.zoneout).map(Zoneout::Masks).or(self.rates.map(Zoneout::Rates)),
        }
    }

    fn run(&self, input: CubeTensor, inputs: Inputs<B>, save: bool) -> Walked<B> {
        let (sequences, operands) = (self.sequences_on(&input), self.operands(inputs));
        let walk =
            elman_cube::ScanArgs { client: &input.client, plan: None, sequences: &sequences, operands: &operands };
        let walked = self.cube().forward(walk, &buffer(input.clone()), save);
        let flat = |buffer: Buffer| {
            let shape = Shape::new([buffer.len()]);
            tensor(buffer, shape, &input)
        };
        Walked { states: flat(walked.states), saved: flat(walked.saved), kept: flat(walked.kept) }
    }

    fn run_back(&self, wanted: [bool; 6], inputs: Inputs<B>, walked: Walked<B>, gradient: CubeTensor) -> ByInputs<B> {
        let like = gradient.clone();
        let [_, weights_wanted, bias_wanted, _, projection_wanted, gain_wanted] = wanted;
        let (sequences, operands) = (self.sequences_on(&like), self.operands(inputs.clone()));
        let walk =
            elman_cube::ScanArgs { client: &like.client, plan: None, sequences: &sequences, operands: &operands };
        let [states, saved, kept] = [&walked.states, &walked.saved, &walked.kept].map(|part| buffer(part.clone()));
        let by = self.cube().backward(walk, &elman_cube::ScanOutput { states, saved, kept }, &buffer(gradient));

        let (lines, rows) = (self.time * self.batch, self.kernel.gates() * self.hidden);
        let gates = |buffer: Buffer| tensor(buffer, Shape::new([lines, rows]), &like);
        let by_input = gates(by.input);
        let by_recurrent = by.recurrent.map_or_else(|| by_input.clone(), gates);
        let by_product = by.product.map_or_else(|| by_recurrent.clone(), gates);
        let late = by.late.map(|late| tensor(late, Shape::new([lines, self.hidden]), &like));
        let weights = weights_wanted.then(|| self.by_weights(&by_product, late.as_ref(), &inputs, &walked.states));
        let bias = bias_wanted.then(|| self.sum_of_lines(&by_recurrent));
        let projection = (projection_wanted && !is_empty(&inputs.projection)).then(|| {
            let start = self.cube().unprojected_offset(walk).expect("what is projected is kept");
            let raw = B::float_slice(walked.kept.clone(), &[Slice::from(start..start + lines * self.hidden)]);
            let raw = B::float_reshape(raw, Shape::new([lines, self.hidden]));
            let by = tensor(by.projected.expect("there is a projection"), Shape::new([lines, self.output]), &like);
            self.of_sides(|side| product(self.side(&by, side), self.side(&raw, side)))
        });
        let gain = by.gain.filter(|_| gain_wanted).map(|gain| self.sum_of_lines(&gates(gain)));
        ByInputs {
            input: B::float_reshape(by_input, Shape::new([self.time, self.batch, rows])),
            weights: weights.unwrap_or_else(|| empty(&like)),
            bias: bias.unwrap_or_else(|| empty(&like)),
            state: tensor(by.state, inputs.state.shape(), &like),
            projection: projection.unwrap_or_else(|| empty(&like)),
            gain: gain.unwrap_or_else(|| empty(&like)),
        }
    }

    /// What there is of each direction, one after the other.
    fn of_sides(&self, of: impl Fn(usize) -> CubeTensor) -> CubeTensor {
        if self.both_ways { B::float_cat(vec![of(0), of(1)], 0) } else { of(0) }
    }

    /// The lines of a direction: `[T·B, n]` of both → `[T·B/2, n]`.
    fn side(&self, of: &CubeTensor, side: usize) -> CubeTensor {
        if !self.both_ways {
            return of.clone();
        }
        let (rows, width) = (self.batch / 2, of.shape()[1]);
        let all = B::float_reshape(of.clone(), Shape::new([self.time, self.batch, width]));
        let rows_of = Slice::from(side * rows..(side + 1) * rows);
        let its = B::float_slice(all, &[Slice::from(..), rows_of, Slice::from(..)]);
        B::float_reshape(its, Shape::new([self.time * rows, width]))
    }

    /// `[T·B, n]` → `[n]` of float32, of each direction.
    fn sum_of_lines(&self, of: &CubeTensor) -> CubeTensor {
        let width = of.shape()[1];
        let sum = self.of_sides(|side| B::float_reshape(B::float_sum_dim(self.side(of, side), 0), Shape::new([width])));
        if sum.dtype() == DType::F32 { sum } else { B::float_cast(sum, FloatDType::F32) }
    }

    /// The gradient by the recurrent weights: of the products of all steps and what was multiplied.
    fn by_weights(
        &self,
        by_product: &CubeTensor,
        late: Option<&CubeTensor>,
        inputs: &Inputs<B>,
        states: &CubeTensor,
    ) -> CubeTensor {
        let fed = self.fed(inputs, states);
        self.of_sides(|side| {
            let (by_product, fed) = (self.side(by_product, side), self.side(&fed, side));
            let Some(late) = late else { return product(by_product, fed) };
            let rows = by_product.shape()[1];
            let first = rows - self.cube().candidate_gates() * self.hidden;
            let part =
                |from: usize, to: usize| B::float_slice(by_product.clone(), &[Slice::from(..), Slice::from(from..to)]);
            B::float_cat(vec![product(part(0, first), fed), product(part(first, rows), self.side(late, side))], 0)
        })
    }

    /// The hidden state before each step, as it was multiplied: `[T·B, P]`.
    fn fed(&self, inputs: &Inputs<B>, states: &CubeTensor) -> CubeTensor {
        let Self { time, batch, output, reverse, .. } = *self;
        let step = batch * output;
        let shaped = |of: CubeTensor, time: usize| B::float_reshape(of, Shape::new([time, batch, output]));
        let initial = shaped(B::float_slice(inputs.state.clone(), &[Slice::from(0..step)]), 1);
        let hidden = shaped(B::float_slice(states.clone(), &[Slice::from(0..time * step)]), time);
        let rows_of = |of: &CubeTensor, steps: Range<usize>, rows: Range<usize>| {
            B::float_slice(of.clone(), &[Slice::from(steps), Slice::from(rows), Slice::from(..)])
        };
        let before = |rows: Range<usize>, reverse: bool| {
            let initial = rows_of(&initial, 0..1, rows.clone());
            match (time, reverse) {
                (1, _) => initial,
                (_, true) => B::float_cat(vec![rows_of(&hidden, 1..time, rows), initial], 0),
                (_, false) => B::float_cat(vec![initial, rows_of(&hidden, 0..time - 1, rows)], 0),
            }
        };
        let before = match self.both_ways {
            true => B::float_cat(vec![before(0..batch / 2, false), before(batch / 2..batch, true)], 1),
            false => before(0..batch, reverse),
        };
        let before = match is_empty(&inputs.dropout) {
            true => before,
            false => B::float_mul(before, shaped(inputs.dropout.clone(), 1)),
        };
        B::float_reshape(before, Shape::new([time * batch, output]))
    }
}

fn is_empty(tensor: &CubeTensor) -> bool {
    tensor.shape().num_elements() == 0
}

/// `[n, a]`, `[n, b]` → `[a, b]`, stored as the first one.
fn product(by: CubeTensor, with: CubeTensor) -> CubeTensor {
    let with = if with.dtype() == by.dtype() { with } else { B::float_cast(with, by.dtype().into()) };
    B::float_matmul(B::float_transpose(by), with)
}

impl ScanKernels for CubeBackend {
    fn scan_forward(walk: Walk, input: FloatTensor<Self>, inputs: Inputs<Self>) -> Walked<Self> {
        walk.run(input, inputs, true)
    }

    fn scan_backward(
        walk: Walk,
        wanted: [bool; 6],
        inputs: Inputs<Self>,
        walked: Walked<Self>,
        gradient: FloatTensor<Self>,
    ) -> ByInputs<Self> {
        walk.run_back(wanted, inputs, walked, gradient)
    }
}

impl Recurrence for CubeBackend {
    fn scan(walk: Walk, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        walk.run(input, inputs, false).states
    }
}
