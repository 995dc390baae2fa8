//! A layer that recomputes its gates in the backward pass (gradient checkpointing, Chen et al. 2016, "Training deep
//! nets with sublinear memory cost"): forward saves its input and states; backward recomputes the gates of one chunk of
//! time steps at a time.

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
    chunks::{ChunkedLayer, ChunkedOutput},
    extension::{Inputs, ScanSpec},
    input_projection::{ActiveRows, Operands},
    optional::register,
};

/// Input projection and scan as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait RecomputedLayer: Backend {
    /// The states of all time steps.
    fn recomputed_layer(
        spec: ScanSpec,
        rows: ActiveRows,
        #[extension_type] operands: Operands<Self>,
        #[extension_type] inputs: Inputs<Self>,
    ) -> FloatTensor<Self>;
}

macro_rules! on_cpu {
    ($backend:ty) => {
        impl RecomputedLayer for $backend {
            fn recomputed_layer(
                spec: ScanSpec,
                rows: ActiveRows,
                operands: Operands<Self>,
                inputs: Inputs<Self>,
            ) -> FloatTensor<Self> {
                ChunkedLayer::new(spec, rows, operands, inputs).forward().states
            }
        }
    };
}

#[cfg(feature = "flex")]
on_cpu!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_cpu!(burn::backend::NdArray);

#[derive(Debug)]
struct LayerBackward;

impl<B: CpuBackend> Backward<B, 9> for LayerBackward {
    /// The layer, and the initial states of its chunks.
    type State = (ScanSpec, ActiveRows, Operands<B>, Inputs<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 9>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (spec, rows, operands, inputs, initial_states) = ops.state;
        let needs_grad = std::array::from_fn(|n| ops.parents[n].is_some());
        let layer = ChunkedLayer::new(spec, rows, operands, inputs);
        let computed = layer.backward(needs_grad, initial_states, gradient);
        register::<B, 9>(ops.parents.map(|parent| parent.map(|node| node.id)), computed, gradients);
    }
}

impl<B: CpuBackend + RecomputedLayer, C: CheckpointStrategy> RecomputedLayer for Autodiff<B, C> {
    fn recomputed_layer(
        spec: ScanSpec,
        rows: ActiveRows,
        operands: Operands<Self>,
        inputs: Inputs<Self>,
    ) -> FloatTensor<Self> {
        let Operands { x, weights, bias, gain } = &operands;
        let nodes =
            [x, weights, bias, gain, &inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain];
        let prepared = LayerBackward.prepare::<C>(nodes.map(|tensor| tensor.node())).compute_bound().stateful();
        let (operands, inputs) = (operands.into_primitives(), inputs.into_primitives());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let layer = ChunkedLayer::new(spec.clone(), rows.clone(), operands.clone(), inputs.clone());
                let ChunkedOutput { states, initial_states } = layer.forward();
                prepared.finish((spec, rows, operands, inputs, initial_states), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::recomputed_layer(spec, rows, operands, inputs)),
        }
    }
}
