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

/// Of the classes, `[V]`, if there is one.
#[derive(ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub enum Bias<B: Backend> {
    Of(FloatTensor<B>),
    None,
}

/// The mean loss, `[1]`, and its gradients; those that were not wanted are empty.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct Loss<B: Backend> {
    pub loss: FloatTensor<B>,
    pub by_hidden: FloatTensor<B>,
    pub by_weight: FloatTensor<B>,
    pub by_bias: FloatTensor<B>,
}

#[cfg(feature = "cube")]
mod shapes {
    use burn::{backend::fusion::custom::TensorSpec, tensor::Shape};

    use super::{BiasMetadata, LossMetadata};

    pub fn of(
        _targets: &TensorSpec,
        hidden: &TensorSpec,
        weight: &TensorSpec,
        bias: &BiasMetadata,
        wanted: &[bool; 3],
    ) -> LossMetadata {
        let nothing = TensorSpec::new(Shape::new([0]), hidden.dtype);
        let of = |is_wanted: bool, like: &TensorSpec| if is_wanted { like.clone() } else { nothing.clone() };
        LossMetadata {
            loss: TensorSpec::new(Shape::new([1]), hidden.dtype),
            by_hidden: of(wanted[0], hidden),
            by_weight: of(wanted[1], weight),
            by_bias: match bias {
                BiasMetadata::Of(bias) => of(wanted[2], bias),
                BiasMetadata::None => nothing.clone(),
            },
        }
    }
}

/// The raw kernels, never differentiated.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub trait OutputKernels: Backend {
    /// `targets` `[N]`, `hidden` `[N, H]`, `weight` `[H, V]`, `bias` `[V]` → the mean loss and its gradients by those of the
    /// last three that are `wanted`, in their order.
    #[fusion(meta = shapes::of)]
    fn output_gradients(
        targets: IntTensor<Self>,
        hidden: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] bias: Bias<Self>,
        wanted: [bool; 3],
    ) -> Loss<Self>;

    /// A gradient times that of the loss, `[1]`, which is 1 unless the loss is part of something larger.
    #[fusion(dtype = gradient, shape = gradient)]
    fn output_scaled(gradient: FloatTensor<Self>, by: FloatTensor<Self>) -> FloatTensor<Self>;
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
    /// The mean loss, `[1]`; arguments as of [`OutputKernels::output_gradients`].
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
    /// What forward has made.
    type State = [FloatTensor<B>; 3];

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let by = gradients.consume::<B>(&ops.node);
        let by = B::float_reshape(by, Shape::new([1]));
        // parents are there where their gradient is wanted
        for (node, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, B::output_scaled(gradient, by.clone()));
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
        // a bias that is not there is one that nobody wants the gradient of
        let (bias_node, bias_wanted, bias) = match bias {
            Bias::Of(bias) => (bias.node(), bias.is_tracked(), Bias::Of(bias.into_primitive())),
            Bias::None => (Self::from_inner(hidden.primitive().clone()).node(), false, Bias::None),
        };
        let wanted = [hidden.is_tracked(), weight.is_tracked(), bias_wanted];
        let nodes = [hidden.node(), weight.node(), bias_node];
        let prepared = LossBackward.prepare::<C>(nodes).compute_bound().stateful();
        let (hidden, weight) = (hidden.into_primitive(), weight.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let all = B::output_gradients(targets, hidden, weight, bias, wanted);
                prepared.finish([all.by_hidden, all.by_weight, all.by_bias], all.loss)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::output_loss(targets, hidden, weight, bias)),
        }
    }
}
