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
    optional::{asked, register, some, tensors},
};

/// Which rows there are; all without.
pub type Rows = Option<Arc<[usize]>>;

/// The tensors that are read. What there is not is empty.
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

/// The product `[T, B, G·H]`, and what backward needs besides.
#[derive(Clone, Debug, ExtensionType)]
pub struct Product<B: Backend> {
    pub product: FloatTensor<B>,
    pub saved: FloatTensor<B>,
}

/// The raw kernels, never differentiated.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait ProductKernels: Backend {
    /// The product, with what backward needs if `save` is set.
    fn product_forward(rows: Rows, save: bool, #[extension_type] operands: Operands<Self>) -> Product<Self>;

    /// The gradients by the operands that are wanted; empty where none was asked for.
    fn product_backward(
        rows: Rows,
        wanted: [bool; 4],
        #[extension_type] operands: Operands<Self>,
        saved: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> Operands<Self>;
}

/// The input product as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait InputProduct: Backend {
    /// The product `[T, B, G·H]`.
    fn input_product(rows: Rows, #[extension_type] operands: Operands<Self>) -> FloatTensor<Self>;
}

/// The numbers of [`Operands`].
pub(super) struct Numbers<B: CpuBackend> {
    pub width: usize,
    pub x: B::Values,
    weights: B::Values,
    bias: B::Values,
    gain: B::Values,
}

impl<B: CpuBackend> Numbers<B> {
    pub fn of(operands: Operands<B>) -> Self {
        let Operands { x, weights, bias, gain } = operands;
        let width = x.shape()[2];
        Self { width, x: B::values(x), weights: B::values(weights), bias: B::values(bias), gain: B::values(gain) }
    }

    pub fn linear<'a>(&'a self, rows: &'a Rows) -> Linear<'a> {
        Linear {
            x: &self.x,
            weights: &self.weights,
            bias: some(&self.bias),
            norm: some(&self.gain).map(|gain| LayerNorm { gain, epsilon: EPSILON as f32 }),
            rows: rows.as_deref(),
            width: self.width,
        }
    }
}

fn forward<B: CpuBackend>(rows: Rows, save: bool, operands: Operands<B>) -> Product<B> {
    let device = operands.x.device();
    let (shape, outputs) = (operands.x.shape(), operands.weights.shape()[0]);
    let numbers = Numbers::of(operands);
    let from = numbers.linear(&rows);
    let mut product = vec![0.0; shape[0] * shape[1] * outputs];
    let mut saved = vec![0.0; if save { from.saved_len() } else { 0 }];
    linear(Isa::best(), from, &mut product, save.then_some(&mut saved[..]));
    let len = saved.len();
    Product {
        product: B::tensor(product, [shape[0], shape[1], outputs], &device),
        saved: B::tensor(saved, [len], &device),
    }
}

fn backward<B: CpuBackend>(
    rows: Rows,
    wanted: [bool; 4],
    operands: Operands<B>,
    saved: FloatTensor<B>,
    gradient: FloatTensor<B>,
) -> Operands<B> {
    let device = operands.x.device();
    let shapes = [&operands.x, &operands.weights, &operands.bias, &operands.gain].map(|tensor| tensor.shape());
    let numbers = Numbers::of(operands);
    let [saved, gradient] = [saved, gradient].map(B::values);
    let mut into: [Vec<f32>; 4] =
        std::array::from_fn(|n| vec![0.0; if wanted[n] { shapes[n].num_elements() } else { 0 }]);
    let [x, weights, bias, gain] = into.each_mut().map(|into| asked(into));
    let all = LinearInto { x, weights, bias, gain };
    linear_backward(Isa::best(), numbers.linear(&rows), &saved, &gradient, all);
    let [x, weights, bias, gain] = tensors::<B, 4>(into, shapes, &device);
    Operands { x, weights, bias, gain }
}

macro_rules! on_host {
    ($backend:ty) => {
        impl ProductKernels for $backend {
            fn product_forward(rows: Rows, save: bool, operands: Operands<Self>) -> Product<Self> {
                forward(rows, save, operands)
            }

            fn product_backward(
                rows: Rows,
                wanted: [bool; 4],
                operands: Operands<Self>,
                saved: FloatTensor<Self>,
                gradient: FloatTensor<Self>,
            ) -> Operands<Self> {
                backward(rows, wanted, operands, saved, gradient)
            }
        }

        impl InputProduct for $backend {
            fn input_product(rows: Rows, operands: Operands<Self>) -> FloatTensor<Self> {
                forward(rows, false, operands).product
            }
        }
    };
}

#[cfg(feature = "flex")]
on_host!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_host!(burn::backend::NdArray);

#[derive(Debug)]
struct ProductBackward;

impl<B: Backend + ProductKernels> Backward<B, 4> for ProductBackward {
    /// Which rows there are, the operands, what was saved.
    type State = (Rows, Operands<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (rows, operands, saved) = ops.state;
        let wanted = std::array::from_fn(|n| ops.parents[n].is_some());
        let Operands { x, weights, bias, gain } = B::product_backward(rows, wanted, operands, saved, gradient);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 4>(nodes, [x, weights, bias, gain], gradients);
    }
}

impl<B: Backend, C: CheckpointStrategy> Operands<Autodiff<B, C>> {
    /// Without their graph.
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

impl<B: Backend + ProductKernels + InputProduct, C: CheckpointStrategy> InputProduct for Autodiff<B, C> {
    fn input_product(rows: Rows, operands: Operands<Self>) -> FloatTensor<Self> {
        let nodes = [&operands.x, &operands.weights, &operands.bias, &operands.gain].map(|tensor| tensor.node());
        let prepared = ProductBackward.prepare::<C>(nodes).compute_bound().stateful();
        let operands = operands.into_primitives();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let Product { product, saved } = B::product_forward(rows.clone(), true, operands.clone());
                prepared.finish((rows, operands, saved), product)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::input_product(rows, operands)),
        }
    }
}
