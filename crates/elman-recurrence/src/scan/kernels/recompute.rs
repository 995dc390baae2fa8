//! A layer whose gates are computed once more when it is walked back: until then training keeps its input and nothing else
//! (Chen et al. 2016, "Training deep nets with sublinear memory cost").

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

use super::{
    extension::{ByInputs, Inputs, Recurrence, ScanKernels, Walk},
    optional::register,
    product::{InputProduct, Operands, Product, ProductKernels, Rows},
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
                Self::scan(walk, Self::input_product(rows, operands), inputs)
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

impl<B: Backend + ProductKernels + ScanKernels> Backward<B, 9> for LayerBackward {
    type State = (Walk, Rows, Operands<B>, Inputs<B>);

    fn backward(self, ops: Ops<Self::State, 9>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (walk, rows, operands, inputs) = ops.state;
        let [x, w, b, g, hidden, bias, state, projection, gain] = ops.parents.each_ref().map(Option::is_some);
        let wanted = [true, hidden, bias, state, projection, gain];
        let Product { product, saved } = B::product_forward(rows.clone(), true, operands.clone());
        let walked = B::scan_forward(walk.clone(), product, inputs.clone());
        let by = B::scan_backward(walk, wanted, inputs, walked, gradient);
        let ByInputs { input, weights: hidden, bias, state, projection, gain } = by;
        let Operands { x, weights: w, bias: b, gain: g } =
            B::product_backward(rows, [x, w, b, g], operands, saved, input);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 9>(nodes, [x, w, b, g, hidden, bias, state, projection, gain], gradients);
    }
}

impl<B, C> Recomputed for Autodiff<B, C>
where
    B: Backend + ProductKernels + ScanKernels + InputProduct + Recurrence + Recomputed,
    C: CheckpointStrategy,
{
    fn recomputed(walk: Walk, rows: Rows, operands: Operands<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        let Operands { x, weights, bias, gain } = &operands;
        let nodes =
            [x, weights, bias, gain, &inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain];
        let prepared = LayerBackward.prepare::<C>(nodes.map(|tensor| tensor.node())).compute_bound().stateful();
        let (operands, inputs) = (operands.into_primitives(), inputs.into_primitives());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let states = B::recomputed(walk.clone(), rows.clone(), operands.clone(), inputs.clone());
                prepared.finish((walk, rows, operands, inputs), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::recomputed(walk, rows, operands, inputs)),
        }
    }
}
