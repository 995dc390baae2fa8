use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Backend, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::Shape,
};
use elman_cpu::{Isa, LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};

use crate::host::Host;

/// `[N]`
pub type Targets = Arc<[usize]>;

/// The raw kernels, never differentiated.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait OutputKernels: Backend {
    /// `hidden` `[N, H]`, `weight` `[H, V]`, `bias` `[V]` → the mean loss `[1]` and its gradients by the three.
    fn output_gradients(
        targets: Targets,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// A gradient times that of the loss, `[1]`, which is 1 unless the loss is part of something larger.
    fn output_scaled(gradient: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The loss as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait OutputLoss: Backend {
    /// The mean loss, `[1]`; arguments as of [`OutputKernels::output_gradients`].
    fn output_loss(
        targets: Targets,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// A weight as it lies in memory, and whether that is `[V, H]`.
fn as_it_lies<B: Host>(weight: FloatTensor<B>) -> (FloatTensor<B>, bool) {
    let turned = B::float_transpose(weight.clone());
    if !B::is_row_major(&weight) && B::is_row_major(&turned) { (turned, true) } else { (weight, false) }
}

fn loss<B: Host>(
    targets: &Targets,
    hidden: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> FloatTensor<B> {
    let device = hidden.device();
    let (weight, tied) = as_it_lies::<B>(weight);
    let [hidden, weight, bias] = [hidden, weight, bias].map(B::numbers);
    let from = LinearCrossEntropy { hidden: &hidden, weight: &weight, bias: &bias, targets, tied };
    B::tensor(vec![linear_cross_entropy(Isa::best(), from, None)], [1], &device)
}

fn gradients<B: Host>(
    targets: &Targets,
    hidden: FloatTensor<B>,
    weight: FloatTensor<B>,
    bias: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
    let device = hidden.device();
    let (weight, tied) = as_it_lies::<B>(weight);
    let shapes = [hidden.shape(), weight.shape(), bias.shape()];
    let [hidden, weight, bias] = [hidden, weight, bias].map(B::numbers);
    let from = LinearCrossEntropy { hidden: &hidden, weight: &weight, bias: &bias, targets, tied };
    let [mut by_hidden, mut by_weight, mut by_bias] =
        [hidden.len(), weight.len(), bias.len()].map(|len| vec![0.0; len]);
    let into = LinearCrossEntropyInto { hidden: &mut by_hidden, weight: &mut by_weight, bias: &mut by_bias };
    let loss = linear_cross_entropy(Isa::best(), from, Some(into));
    let [of_hidden, of_weight, of_bias] = shapes;
    let by_weight = B::tensor(by_weight, of_weight, &device);
    (
        B::tensor(vec![loss], [1], &device),
        B::tensor(by_hidden, of_hidden, &device),
        if tied { B::float_transpose(by_weight) } else { by_weight },
        B::tensor(by_bias, of_bias, &device),
    )
}

fn scaled<B: Host>(gradient: FloatTensor<B>, by: FloatTensor<B>) -> FloatTensor<B> {
    let factor = B::numbers(by)[0];
    if factor == 1.0 { gradient } else { B::float_mul_scalar(gradient, factor.into()) }
}

macro_rules! on_host {
    ($backend:ty) => {
        impl OutputKernels for $backend {
            fn output_gradients(
                targets: Targets,
                hidden: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                gradients::<Self>(&targets, hidden, weight, bias)
            }

            fn output_scaled(gradient: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self> {
                scaled::<Self>(gradient, by)
            }
        }

        impl OutputLoss for $backend {
            fn output_loss(
                targets: Targets,
                hidden: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                loss::<Self>(&targets, hidden, weight, bias)
            }
        }
    };
}

#[cfg(feature = "flex")]
on_host!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_host!(burn::backend::NdArray);

#[derive(Debug)]
struct LossBackward;

impl<B: Backend + OutputKernels> Backward<B, 3> for LossBackward {
    /// The gradients, which forward has made.
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let by = gradients.consume::<B>(&ops.node);
        let by = B::float_reshape(by, Shape::new([1]));
        for (parent, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, B::output_scaled(gradient, by.clone()));
            }
        }
    }
}

impl<B: Backend + OutputKernels + OutputLoss, C: CheckpointStrategy> OutputLoss for Autodiff<B, C> {
    fn output_loss(
        targets: Targets,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [hidden.node(), weight.node(), bias.node()];
        let prepared = LossBackward.prepare::<C>(nodes).compute_bound().stateful();
        let [hidden, weight, bias] = [hidden, weight, bias].map(|tensor| tensor.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let (loss, by_hidden, by_weight, by_bias) = B::output_gradients(targets, hidden, weight, bias);
                prepared.finish([by_hidden, by_weight, by_bias], loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::output_loss(targets, hidden, weight, bias)),
        }
    }
}
