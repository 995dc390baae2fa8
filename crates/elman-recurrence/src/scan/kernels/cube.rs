//! The scan on a graphics card: the kernels of `elman-cube`, and burn's matrix products over all time steps.

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, FloatDType, Shape, Slice},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use elman_cube::{Buffer, Kernel, Number, Operands, Sequences, Variant, Zoneout};

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
        let Self { time, batch, hidden, output, reverse, .. } = *self;
        Sequences { time, batch, hidden, output, reverse, lengths: None }
    }

    fn sequences_on(&self, like: &CubeTensor) -> Sequences {
        let lengths = self.lengths.as_ref().map(|lengths| {
            let lengths: Vec<u8> = lengths.iter().flat_map(|length| (*length as u32).to_ne_bytes()).collect();
            Buffer::new(like.client.create_from_slice(&lengths), self.batch)
        });
        Sequences { lengths, ..self.sizes() }
    }

    /// How many numbers are saved and kept for the way back.
    pub(super) fn kept(&self, variant: Variant) -> [usize; 2] {
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
        let walk = elman_cube::Walk { client: &input.client, plan: None, sequences: &sequences, operands: &operands };
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
        let walk = elman_cube::Walk { client: &like.client, plan: None, sequences: &sequences, operands: &operands };
        let [states, saved, kept] = [&walked.states, &walked.saved, &walked.kept].map(|part| buffer(part.clone()));
        let by = self.cube().backward(walk, &elman_cube::Walked { states, saved, kept }, &buffer(gradient));

        let (lines, rows) = (self.time * self.batch, self.kernel.gates() * self.hidden);
        let gates = |buffer: Buffer| tensor(buffer, Shape::new([lines, rows]), &like);
        let by_input = gates(by.input);
        let by_recurrent = by.recurrent.map_or_else(|| by_input.clone(), gates);
        let by_product = by.product.map_or_else(|| by_recurrent.clone(), gates);
        let late = by.late.map(|late| tensor(late, Shape::new([lines, self.hidden]), &like));
        let weights = weights_wanted.then(|| self.by_weights(by_product, late, &inputs, &walked.states));
        let bias = bias_wanted.then(|| sum_of_lines(by_recurrent));
        let projection = (projection_wanted && !is_empty(&inputs.projection)).then(|| {
            let start = self.cube().raw_at(walk).expect("what is projected is kept");
            let raw = B::float_slice(walked.kept.clone(), &[Slice::from(start..start + lines * self.hidden)]);
            let raw = B::float_reshape(raw, Shape::new([lines, self.hidden]));
            let by = tensor(by.projected.expect("there is a projection"), Shape::new([lines, self.output]), &like);
            let raw = as_stored(raw, &by);
            B::float_matmul(B::float_transpose(by), raw)
        });
        let gain = by.gain.filter(|_| gain_wanted).map(|gain| sum_of_lines(gates(gain)));
        ByInputs {
            input: B::float_reshape(by_input, Shape::new([self.time, self.batch, rows])),
            weights: weights.unwrap_or_else(|| empty(&like)),
            bias: bias.unwrap_or_else(|| empty(&like)),
            state: tensor(by.state, inputs.state.shape(), &like),
            projection: projection.unwrap_or_else(|| empty(&like)),
            gain: gain.unwrap_or_else(|| empty(&like)),
        }
    }

    /// The gradient by the recurrent weights: of the products of all steps and what was multiplied.
    fn by_weights(
        &self,
        by_product: CubeTensor,
        late: Option<CubeTensor>,
        inputs: &Inputs<B>,
        states: &CubeTensor,
    ) -> CubeTensor {
        let fed = as_stored(self.fed(inputs, states), &by_product);
        let Some(late) = late else { return B::float_matmul(B::float_transpose(by_product), fed) };
        let [lines, rows] = by_product.shape().dims();
        let first = rows - self.cube().late_gates() * self.hidden;
        let part = |from: usize, to: usize| {
            B::float_transpose(B::float_slice(by_product.clone(), &[Slice::from(0..lines), Slice::from(from..to)]))
        };
        B::float_cat(vec![B::float_matmul(part(0, first), fed), B::float_matmul(part(first, rows), late)], 0)
    }

    /// The hidden state before each step, as it was multiplied: `[T·B, P]`.
    fn fed(&self, inputs: &Inputs<B>, states: &CubeTensor) -> CubeTensor {
        let Self { time, batch, output, reverse, .. } = *self;
        let step = batch * output;
        let initial = B::float_slice(inputs.state.clone(), &[Slice::from(0..step)]);
        let (from, to) = if reverse { (step, time * step) } else { (0, (time - 1) * step) };
        let before = if time == 1 {
            initial
        } else {
            let others = B::float_slice(states.clone(), &[Slice::from(from..to)]);
            B::float_cat(if reverse { vec![others, initial] } else { vec![initial, others] }, 0)
        };
        if is_empty(&inputs.dropout) {
            return B::float_reshape(before, Shape::new([time * batch, output]));
        }
        let before = B::float_reshape(before, Shape::new([time, batch, output]));
        let mask = B::float_reshape(inputs.dropout.clone(), Shape::new([1, batch, output]));
        B::float_reshape(B::float_mul(before, mask), Shape::new([time * batch, output]))
    }
}

fn is_empty(tensor: &CubeTensor) -> bool {
    tensor.shape().num_elements() == 0
}

/// Stored as another tensor is: both sides of a product have to be.
fn as_stored(tensor: CubeTensor, other: &CubeTensor) -> CubeTensor {
    if tensor.dtype() == other.dtype() { tensor } else { B::float_cast(tensor, other.dtype().into()) }
}

/// `[lines, rows]` → `[rows]` of float32
fn sum_of_lines(of: CubeTensor) -> CubeTensor {
    let rows = of.shape()[1];
    let sum = B::float_reshape(B::float_sum_dim(of, 0), Shape::new([rows]));
    if sum.dtype() == DType::F32 { sum } else { B::float_cast(sum, FloatDType::F32) }
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
