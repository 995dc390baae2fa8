//! The scan on GPUs: the kernels of `elman-cube`, and burn's matrix products over all time steps.

use std::ops::Range;

use burn::{
    backend::{TensorMetadata, ops::FloatTensorOps, tensor::FloatTensor},
    tensor::{DType, FloatDType, Shape, Slice},
};
use burn_cubecl::{CubeBackend, kernel::into_contiguous, tensor::CubeTensor};
use elman_cube::{Buffer, Direction, Kernel, Operands, ScanArgs, ScanOptions, Sequences, StorageDtype, Zoneout};

use super::{
    extension::{InputGrads, Inputs, Recurrence, ScanKernels, ScanResult, ScanSpec},
    kernel::Kernels,
};

type B = CubeBackend;

/// The values of a tensor in row-major order.
fn buffer(tensor: CubeTensor) -> Buffer {
    let (len, dtype) = (tensor.shape().num_elements(), storage_dtype(tensor.dtype()));
    Buffer::of(into_contiguous(tensor).handle, len, dtype.expect("the dtype was checked before"))
}

/// The storage dtype of the kernels; `None` if they do not support the dtype.
pub(super) fn storage_dtype(dtype: DType) -> Option<StorageDtype> {
    match dtype {
        DType::F32 => Some(StorageDtype::F32),
        DType::F16 => Some(StorageDtype::F16),
        DType::BF16 => Some(StorageDtype::Bf16),
        _ => None,
    }
}

/// The values of an optional operand; `None` if the tensor is empty.
fn optional_buffer(tensor: CubeTensor) -> Option<Buffer> {
    (tensor.shape().num_elements() > 0).then(|| buffer(tensor))
}

/// The tensor of a buffer on the device of `like`.
fn tensor(buffer: Buffer, shape: Shape, like: &CubeTensor) -> CubeTensor {
    let dtype = match buffer.number() {
        StorageDtype::F32 => DType::F32,
        StorageDtype::F16 => DType::F16,
        StorageDtype::Bf16 => DType::BF16,
    };
    CubeTensor::new_contiguous(like.client.clone(), like.device.clone(), shape, buffer.into_handle(), dtype)
}

fn empty(like: &CubeTensor) -> CubeTensor {
    tensor(Buffer::empty(&like.client, 0), Shape::new([0]), like)
}

impl ScanSpec {
    fn cube_kernel(&self) -> &Kernel {
        match &self.kernel {
            Kernels::Cube(kernel) => kernel,
            Kernels::Cpu(_) => unreachable!("the kernel was chosen for the device"),
        }
    }

    /// Sizes and direction, without lengths.
    fn sizes(&self) -> Sequences {
        let Self { time, batch, hidden, output, reverse, bidirectional, .. } = *self;
        let direction = match (bidirectional, reverse) {
            (true, _) => Direction::Bidirectional,
            (false, true) => Direction::Reverse,
            (false, false) => Direction::Forward,
        };
        Sequences { time, batch, hidden, output, direction, lengths: None }
    }

    /// Sizes, direction and lengths, on the device of `like`.
    fn sequences_on(&self, like: &CubeTensor) -> Sequences {
        let lengths = self.lengths.as_ref().map(|lengths| {
            let lengths: Vec<u8> = lengths.iter().flat_map(|length| (*length as u32).to_ne_bytes()).collect();
            Buffer::new(like.client.create_from_slice(&lengths), self.batch)
        });
        Sequences { lengths, ..self.sizes() }
    }

    /// Numbers of values that forward writes to `saved` and `aux`.
    pub(super) fn saved_lens(&self, options: ScanOptions) -> [usize; 2] {
        self.cube_kernel().kept(&self.sizes(), options)
    }

    fn operands(&self, inputs: Inputs<B>) -> Operands {
        Operands {
            weights: optional_buffer(inputs.weights),
            bias: optional_buffer(inputs.bias),
            projection: optional_buffer(inputs.projection),
            gain: optional_buffer(inputs.gain),
            state: buffer(inputs.state),
            dropout: optional_buffer(inputs.dropout),
            zoneout: optional_buffer(inputs.zoneout).map(Zoneout::Masks).or(self.zoneout_rates.map(Zoneout::Rates)),
        }
    }

    fn cube_forward(&self, input: CubeTensor, inputs: Inputs<B>, save: bool) -> ScanResult<B> {
        let (sequences, operands) = (self.sequences_on(&input), self.operands(inputs));
        let args = ScanArgs { client: &input.client, plan: None, sequences: &sequences, operands: &operands };
        let result = self.cube_kernel().forward(args, &buffer(input.clone()), save);
        let vector = |buffer: Buffer| {
            let shape = Shape::new([buffer.len()]);
            tensor(buffer, shape, &input)
        };
        ScanResult { states: vector(result.states), saved: vector(result.saved), aux: vector(result.kept) }
    }

    fn cube_backward(
        &self,
        needs_grad: [bool; 6],
        inputs: Inputs<B>,
        result: ScanResult<B>,
        gradient: CubeTensor,
    ) -> InputGrads<B> {
        let like = gradient.clone();
        let [_, weights_need_grad, bias_needs_grad, _, projection_needs_grad, gain_needs_grad] = needs_grad;
        let (sequences, operands) = (self.sequences_on(&like), self.operands(inputs.clone()));
        let args = ScanArgs { client: &like.client, plan: None, sequences: &sequences, operands: &operands };
        let [states, saved, kept] = [&result.states, &result.saved, &result.aux].map(|part| buffer(part.clone()));
        let outputs = elman_cube::ScanOutput { states, saved, kept };
        let grads = self.cube_kernel().backward(args, &outputs, &buffer(gradient));

        let (lines, rows) = (self.time * self.batch, self.kernel.gates() * self.hidden);
        let gates = |buffer: Buffer| tensor(buffer, Shape::new([lines, rows]), &like);
        let d_input = gates(grads.input);
        let d_recurrent = grads.recurrent.map_or_else(|| d_input.clone(), gates);
        let d_product = grads.product.map_or_else(|| d_recurrent.clone(), gates);
        let candidate_input = grads.late.map(|input| tensor(input, Shape::new([lines, self.hidden]), &like));
        let weights =
            weights_need_grad.then(|| self.d_weights(&d_product, candidate_input.as_ref(), &inputs, &result.states));
        let bias = bias_needs_grad.then(|| self.sum_lines(&d_recurrent));
        let projection = (projection_needs_grad && !is_empty(&inputs.projection)).then(|| {
            let start = self.cube_kernel().unprojected_offset(args).expect("forward saves the unprojected state");
            let unprojected = B::float_slice(result.aux.clone(), &[Slice::from(start..start + lines * self.hidden)]);
            let unprojected = B::float_reshape(unprojected, Shape::new([lines, self.hidden]));
            let d_projected = grads.projected.expect("the scan has a projection");
            let d_projected = tensor(d_projected, Shape::new([lines, self.output]), &like);
            self.for_each_direction(|direction| {
                transposed_matmul(
                    self.direction_lines(&d_projected, direction),
                    self.direction_lines(&unprojected, direction),
                )
            })
        });
        let gain = grads.gain.filter(|_| gain_needs_grad).map(|gain| self.sum_lines(&gates(gain)));
        InputGrads {
            input: B::float_reshape(d_input, Shape::new([self.time, self.batch, rows])),
            weights: weights.unwrap_or_else(|| empty(&like)),
            bias: bias.unwrap_or_else(|| empty(&like)),
            state: tensor(grads.state, inputs.state.shape(), &like),
            projection: projection.unwrap_or_else(|| empty(&like)),
            gain: gain.unwrap_or_else(|| empty(&like)),
        }
    }

    /// Computes a tensor for each direction and concatenates them.
    fn for_each_direction(&self, compute: impl Fn(usize) -> CubeTensor) -> CubeTensor {
        if self.bidirectional { B::float_cat(vec![compute(0), compute(1)], 0) } else { compute(0) }
    }

    /// The lines of one direction: `[T·B, n]` → `[T·B/2, n]` if the scan is bidirectional.
    fn direction_lines(&self, tensor: &CubeTensor, direction: usize) -> CubeTensor {
        if !self.bidirectional {
            return tensor.clone();
        }
        let (rows, width) = (self.batch / 2, tensor.shape()[1]);
        let all = B::float_reshape(tensor.clone(), Shape::new([self.time, self.batch, width]));
        let direction_rows = Slice::from(direction * rows..(direction + 1) * rows);
        let lines = B::float_slice(all, &[Slice::from(..), direction_rows, Slice::from(..)]);
        B::float_reshape(lines, Shape::new([self.time * rows, width]))
    }

    /// `[T·B, n]` → `[n]` of f32, for each direction.
    fn sum_lines(&self, tensor: &CubeTensor) -> CubeTensor {
        let width = tensor.shape()[1];
        let sum = self.for_each_direction(|direction| {
            B::float_reshape(B::float_sum_dim(self.direction_lines(tensor, direction), 0), Shape::new([width]))
        });
        if sum.dtype() == DType::F32 { sum } else { B::float_cast(sum, FloatDType::F32) }
    }

    /// The gradient with respect to the recurrent weights, from the inputs of the recurrent products of all time steps
    /// and the gradients with respect to these products.
    fn d_weights(
        &self,
        d_product: &CubeTensor,
        candidate_input: Option<&CubeTensor>,
        inputs: &Inputs<B>,
        states: &CubeTensor,
    ) -> CubeTensor {
        let input = self.recurrent_input(inputs, states);
        self.for_each_direction(|direction| {
            let (d_product, input) =
                (self.direction_lines(d_product, direction), self.direction_lines(&input, direction));
            let Some(candidate_input) = candidate_input else { return transposed_matmul(d_product, input) };
            let candidate_input = self.direction_lines(candidate_input, direction);
            let rows = d_product.shape()[1];
            let first = rows - self.cube_kernel().candidate_gates() * self.hidden;
            let part =
                |from: usize, to: usize| B::float_slice(d_product.clone(), &[Slice::from(..), Slice::from(from..to)]);
            let d_gates = transposed_matmul(part(0, first), input);
            let d_candidates = transposed_matmul(part(first, rows), candidate_input);
            B::float_cat(vec![d_gates, d_candidates], 0)
        })
    }

    /// The input of the recurrent product of each step, which is the previous hidden state after dropout: `[T·B, P]`.
    fn recurrent_input(&self, inputs: &Inputs<B>, states: &CubeTensor) -> CubeTensor {
        let Self { time, batch, output, reverse, .. } = *self;
        let step = batch * output;
        let shaped = |tensor: CubeTensor, time: usize| B::float_reshape(tensor, Shape::new([time, batch, output]));
        let initial = shaped(B::float_slice(inputs.state.clone(), &[Slice::from(0..step)]), 1);
        let hidden = shaped(B::float_slice(states.clone(), &[Slice::from(0..time * step)]), time);
        let slice = |tensor: &CubeTensor, steps: Range<usize>, rows: Range<usize>| {
            B::float_slice(tensor.clone(), &[Slice::from(steps), Slice::from(rows), Slice::from(..)])
        };
        let previous = |rows: Range<usize>, reverse: bool| {
            let initial = slice(&initial, 0..1, rows.clone());
            match (time, reverse) {
                (1, _) => initial,
                (_, true) => B::float_cat(vec![slice(&hidden, 1..time, rows), initial], 0),
                (_, false) => B::float_cat(vec![initial, slice(&hidden, 0..time - 1, rows)], 0),
            }
        };
        let previous = match self.bidirectional {
            true => B::float_cat(vec![previous(0..batch / 2, false), previous(batch / 2..batch, true)], 1),
            false => previous(0..batch, reverse),
        };
        let input = match is_empty(&inputs.dropout) {
            true => previous,
            false => B::float_mul(previous, shaped(inputs.dropout.clone(), 1)),
        };
        B::float_reshape(input, Shape::new([time * batch, output]))
    }
}

fn is_empty(tensor: &CubeTensor) -> bool {
    tensor.shape().num_elements() == 0
}

/// `aᵀ b`: `[n, p]`, `[n, q]` → `[p, q]`, in the dtype of `a`.
fn transposed_matmul(a: CubeTensor, b: CubeTensor) -> CubeTensor {
    let b = if b.dtype() == a.dtype() { b } else { B::float_cast(b, a.dtype().into()) };
    B::float_matmul(B::float_transpose(a), b)
}

impl ScanKernels for CubeBackend {
    fn scan_forward(spec: ScanSpec, input: FloatTensor<Self>, inputs: Inputs<Self>) -> ScanResult<Self> {
        spec.cube_forward(input, inputs, true)
    }

    fn scan_backward(
        spec: ScanSpec,
        needs_grad: [bool; 6],
        inputs: Inputs<Self>,
        result: ScanResult<Self>,
        gradient: FloatTensor<Self>,
    ) -> InputGrads<Self> {
        spec.cube_backward(needs_grad, inputs, result, gradient)
    }
}

impl Recurrence for CubeBackend {
    fn scan(spec: ScanSpec, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        spec.cube_forward(input, inputs, false).states
    }
}
