//! A layer whose gates are computed once more in its backward pass: until then training keeps its input and its states, and
//! then its gates for a piece of the time steps (Chen et al. 2016, "Training deep nets with sublinear memory cost").

use burn::backend::{
    Autodiff, Backend,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    tensor::FloatTensor,
};
use elman_layers::cpu::CpuBackend;

use super::{
    extension::{Inputs, Walk},
    optional::register,
    pieces::{Chunked, Layer},
    product::{Operands, Rows},
};

/// Input product and scan as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait Recomputed: Backend {
    /// The states of all time steps.
    fn recomputed(
        walk: Walk,
        rows: Rows,
        #[extension_type] operands: Operands<Self>,
        #[extension_type] inputs: Inputs<Self>,
    ) -> FloatTensor<Self>;
}

macro_rules! on_host {
    ($backend:ty) => {
        impl Recomputed for $backend {
            fn recomputed(walk: Walk, rows: Rows, operands: Operands<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
                Layer::new(walk, rows, operands, inputs).forward().states
            }
        }
    };
}

#[cfg(feature = "flex")]
on_host!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_host!(burn::backend::NdArray);

#[derive(Debug)]
struct LayerBackward;

impl<B: CpuBackend> Backward<B, 9> for LayerBackward {
    /// The layer, and the states before each piece of it.
    type State = (Walk, Rows, Operands<B>, Inputs<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 9>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (walk, rows, operands, inputs, starts) = ops.state;
        let wanted = std::array::from_fn(|n| ops.parents[n].is_some());
        let found = Layer::new(walk, rows, operands, inputs).backward(wanted, starts, gradient);
        register::<B, 9>(ops.parents.map(|parent| parent.map(|node| node.id)), found, gradients);
    }
}

impl<B: CpuBackend + Recomputed, C: CheckpointStrategy> Recomputed for Autodiff<B, C> {
    fn recomputed(walk: Walk, rows: Rows, operands: Operands<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        let Operands { x, weights, bias, gain } = &operands;
        let nodes =
            [x, weights, bias, gain, &inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain];
        let prepared = LayerBackward.prepare::<C>(nodes.map(|tensor| tensor.node())).compute_bound().stateful();
        let (operands, inputs) = (operands.into_primitives(), inputs.into_primitives());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let layer = Layer::new(walk.clone(), rows.clone(), operands.clone(), inputs.clone());
                let Chunked { states, starts } = layer.forward();
                prepared.finish((walk, rows, operands, inputs, starts), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::recomputed(walk, rows, operands, inputs)),
        }
    }
}
