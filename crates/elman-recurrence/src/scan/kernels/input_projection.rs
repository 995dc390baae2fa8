use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, ExtensionType, TensorMetadata,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    tensor::FloatTensor,
};
use elman_cpu::{Isa, LayerNorm, Linear, LinearInto, linear, linear_backward};
use elman_layers::cpu::CpuBackend;

use super::{
    super::norm::EPSILON,
    optional::{non_empty, non_empty_mut, register, tensors},
};

/// The indices of the active rows of `[T·B]`; `None` for all.
pub type ActiveRows = Option<Arc<[usize]>>;

/// The operands of the input projection. Absent operands are empty tensors.
#[derive(Clone, Debug, ExtensionType)]
pub struct Operands<B: Backend> {
    /// `[T, B, I]`
    pub x: FloatTensor<B>,
    /// `[G·H, I]`
    pub weights: FloatTensor<B>,
    /// `[G·H]`
    pub bias: FloatTensor<B>,
    /// `[G·H]`
    pub gain: FloatTensor<B>,
}

/// The input projection `[T, B, G·H]`, and the values that backward needs.
#[derive(Clone, Debug, ExtensionType)]
pub struct InputProjectionOutput<B: Backend> {
    pub output: FloatTensor<B>,
    pub saved: FloatTensor<B>,
}

/// The kernels, without autodiff.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait InputProjectionKernels: Backend {
    /// The input projection and, if `save` is set, the values that backward needs.
    fn input_projection_forward(
        rows: ActiveRows,
        save: bool,
        #[extension_type] operands: Operands<Self>,
    ) -> InputProjectionOutput<Self>;

    /// The gradients with respect to the operands; empty if not requested by `needs_grad`.
    fn input_projection_backward(
        rows: ActiveRows,
        needs_grad: [bool; 4],
        #[extension_type] operands: Operands<Self>,
        saved: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> Operands<Self>;
}

/// The input projection as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait InputProjection: Backend {
    /// The input projection `[T, B, G·H]`.
    fn input_projection(rows: ActiveRows, #[extension_type] operands: Operands<Self>) -> FloatTensor<Self>;
}

/// The values of [`Operands`].
pub(super) struct OperandValues<B: CpuBackend> {
    pub width: usize,
    pub x: B::Values,
    weights: B::Values,
    bias: B::Values,
    gain: B::Values,
}

impl<B: CpuBackend> OperandValues<B> {
    pub fn new(operands: Operands<B>) -> Self {
        let Operands { x, weights, bias, gain } = operands;
        let width = x.shape()[2];
        Self { width, x: B::values(x), weights: B::values(weights), bias: B::values(bias), gain: B::values(gain) }
    }

    pub fn linear<'a>(&'a self, rows: &'a ActiveRows) -> Linear<'a> {
        Linear {
            x: &self.x,
            weights: &self.weights,
            bias: non_empty(&self.bias),
            norm: non_empty(&self.gain).map(|gain| LayerNorm { gain, epsilon: EPSILON as f32 }),
            rows: rows.as_deref(),
            width: self.width,
        }
    }
}

fn forward<B: CpuBackend>(rows: ActiveRows, save: bool, operands: Operands<B>) -> InputProjectionOutput<B> {
    let device = operands.x.device();
    let (shape, outputs) = (operands.x.shape(), operands.weights.shape()[0]);
    let values = OperandValues::new(operands);
    let from = values.linear(&rows);
    let mut output = vec![0.0; shape[0] * shape[1] * outputs];
    let mut saved = vec![0.0; if save { from.saved_len() } else { 0 }];
    linear(Isa::best(), from, &mut output, save.then_some(&mut saved[..]));
    let len = saved.len();
    InputProjectionOutput {
        output: B::tensor(output, [shape[0], shape[1], outputs], &device),
        saved: B::tensor(saved, [len], &device),
    }
}

fn backward<B: CpuBackend>(
    rows: ActiveRows,
    needs_grad: [bool; 4],
    operands: Operands<B>,
    saved: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> Operands<B> {
    let device = operands.x.device();
    let shapes = [&operands.x, &operands.weights, &operands.bias, &operands.gain].map(|tensor| tensor.shape());
    let values = OperandValues::new(operands);
    let [saved, gradient] = [saved, gradient].map(B::values);
    let mut into: [Vec<f32>; 4] =
        std::array::from_fn(|n| vec![0.0; if needs_grad[n] { shapes[n].num_elements() } else { 0 }]);
    let [x, weights, bias, gain] = into.each_mut().map(|into| non_empty_mut(into));
    let all = LinearInto { x, weights, bias, gain };
    linear_backward(Isa::best(), values.linear(&rows), &saved, &gradient, all);
    let [x, weights, bias, gain] = tensors::<B, 4>(into, shapes, &device);
    Operands { x, weights, bias, gain }
}

macro_rules! on_cpu {
    ($backend:ty) => {
        impl InputProjectionKernels for $backend {
            fn input_projection_forward(
                rows: ActiveRows,
                save: bool,
                operands: Operands<Self>,
            ) -> InputProjectionOutput<Self> {
                forward(rows, save, operands)
            }

            fn input_projection_backward(
                rows: ActiveRows,
                needs_grad: [bool; 4],
                operands: Operands<Self>,
                saved: FloatTensor<Self>,
                gradient: FloatTensor<Self>,
            ) -> Operands<Self> {
                backward(rows, needs_grad, operands, saved, gradient)
            }
        }

        impl InputProjection for $backend {
            fn input_projection(rows: ActiveRows, operands: Operands<Self>) -> FloatTensor<Self> {
                forward(rows, false, operands).output
            }
        }
    };
}

#[cfg(feature = "flex")]
on_cpu!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_cpu!(burn::backend::NdArray);

#[derive(Debug)]
struct InputProjectionBackward;

impl<B: Backend + InputProjectionKernels> Backward<B, 4> for InputProjectionBackward {
    /// Active rows, operands, saved values.
    type State = (ActiveRows, Operands<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (rows, operands, saved) = ops.state;
        let needs_grad = std::array::from_fn(|n| ops.parents[n].is_some());
        let Operands { x, weights, bias, gain } =
            B::input_projection_backward(rows, needs_grad, operands, saved, gradient);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 4>(nodes, [x, weights, bias, gain], gradients);
    }
}

impl<B: Backend, C: CheckpointStrategy> Operands<Autodiff<B, C>> {
    /// The primitives, without the autodiff graph.
    pub(super) fn into_primitives(self) -> Operands<B> {
        let Self { x, weights, bias, gain } = self;
        Operands {
            x: x.into_primitive(),
            weights: weights.into_primitive(),
            bias: bias.into_primitive(),
            gain: gain.into_primitive(),
        }
    }
}

impl<B: Backend + InputProjectionKernels + InputProjection, C: CheckpointStrategy> InputProjection for Autodiff<B, C> {
    fn input_projection(rows: ActiveRows, operands: Operands<Self>) -> FloatTensor<Self> {
        let nodes = [&operands.x, &operands.weights, &operands.bias, &operands.gain].map(|tensor| tensor.node());
        let prepared = InputProjectionBackward.prepare::<C>(nodes).compute_bound().stateful();
        let operands = operands.into_primitives();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let InputProjectionOutput { output, saved } =
                    B::input_projection_forward(rows.clone(), true, operands.clone());
                prepared.finish((rows, operands, saved), output)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::input_projection(rows, operands)),
        }
    }
}
