use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, ExtensionType,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::{FloatTensor, IntTensor},
    },
    tensor::Shape,
};

/// The bias of the output layer, `[V]`, if there is one.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum Bias<B: Backend> {
    Some(FloatTensor<B>),
    None,
}

/// The mean loss, `[1]`, and its gradients. Gradients that are not required are empty.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct Loss<B: Backend> {
    pub loss: FloatTensor<B>,
    pub grad_hidden: FloatTensor<B>,
    pub grad_weight: FloatTensor<B>,
    pub grad_bias: FloatTensor<B>,
}

#[cfg(feature = "cube")]
mod shapes {
    use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};

    use super::{BiasMetadata, LossMetadata};

    pub fn infer(
        _targets: &TensorSpec,
        hidden: &TensorSpec,
        weight: &TensorSpec,
        bias: &BiasMetadata,
        required: &[bool; 3],
    ) -> LossMetadata {
        let empty = TensorSpec::new(Shape::new([0]), hidden.dtype);
        let grad = |is_required: bool, like: &TensorSpec| if is_required { like.clone() } else { empty.clone() };
        LossMetadata {
            loss: TensorSpec::new(Shape::new([1]), hidden.dtype),
            grad_hidden: grad(required[0], hidden),
            grad_weight: grad(required[1], weight),
            grad_bias: match bias {
                BiasMetadata::Some(bias) => grad(required[2], bias),
                BiasMetadata::None => empty.clone(),
            },
        }
    }
}

/// The kernels, without autodiff.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub trait OutputKernels: Backend {
    /// `targets` `[N]`, `hidden` `[N, H]`, `weight` `[H, V]`, `bias` `[V]` → the mean loss and its gradients with
    /// respect to `hidden`, `weight` and `bias`, each only if `required`.
    #[fusion(meta = shapes::infer)]
    fn output_gradients(
        targets: IntTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        required: [bool; 3],
    ) -> Loss<Self>;

    /// Multiplies a gradient by the gradient with respect to the loss, `[1]`, which is 1 unless the loss is part of a
    /// larger expression.
    #[fusion(dtype = gradient, shape = gradient)]
    fn output_scaled(gradient: FloatTensor<Self>, factor: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// The loss as one differentiable operation.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Autodiff,
    Fusion: cfg(feature = "cube")
)]
pub trait OutputLoss: Backend {
    /// The mean loss, `[1]`; same arguments as [`OutputKernels::output_gradients`].
    #[fusion(dtype = hidden, shape = Shape::new([1]))]
    fn output_loss(
        targets: IntTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
    ) -> FloatTensor<Self>;
}

#[derive(Debug)]
struct LossBackward;

impl<B: Backend + OutputKernels> Backward<B, 3> for LossBackward {
    /// The gradients that forward computed.
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let grad_loss = gradients.consume::<B>(&ops.node);
        let grad_loss = B::float_reshape(grad_loss, Shape::new([1]));
        // a parent is `Some` if its gradient is required
        for (node, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, B::output_scaled(gradient, grad_loss.clone()));
            }
        }
    }
}

impl<B: Backend + OutputKernels + OutputLoss, C: CheckpointStrategy> OutputLoss for Autodiff<B, C> {
    fn output_loss(
        targets: IntTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Bias<Self>,
    ) -> FloatTensor<Self> {
        // no bias: use an untracked node
        let (bias_node, bias_required, bias) = match bias {
            Bias::Some(bias) => (bias.node(), bias.is_tracked(), Bias::Some(bias.into_primitive())),
            Bias::None => (Self::from_inner(hidden.primitive().clone()).node(), false, Bias::None),
        };
        let required = [hidden.is_tracked(), weight.is_tracked(), bias_required];
        let nodes = [hidden.node(), weight.node(), bias_node];
        let prepared = LossBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (hidden, weight) = (hidden.into_primitive(), weight.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let all = B::output_gradients(targets, hidden, weight, bias, required);
                prepared.finish([all.grad_hidden, all.grad_weight, all.grad_bias], all.loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::output_loss(targets, hidden, weight, bias)),
        }
    }
}
