use std::sync::Arc;

use burn::backend::{
    Autodiff, Backend, ExtensionType,
    autodiff::{
        checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
        grads::Gradients,
        ops::{Backward, Ops, OpsKind},
    },
    backend_extension,
    tensor::FloatTensor,
};
#[cfg(feature = "cube")]
use burn::tensor::{DType, Shape};

use super::{kernel::Kernels, optional::register};

/// How a batch is walked.
#[derive(Clone, Debug)]
pub struct Walk {
    pub kernel: Kernels,
    pub time: usize,
    /// Rows of all directions.
    pub batch: usize,
    pub hidden: usize,
    /// Width of the hidden state.
    pub output: usize,
    pub reverse: bool,
    /// Whether half of the rows walk back, with weights of their own, which then lie after those of the others.
    pub both_ways: bool,
    pub lengths: Option<Arc<[usize]>>,
    /// Of zoneout in inference.
    pub rates: Option<[f32; 2]>,
}

#[cfg(feature = "cube")]
impl Walk {
    /// Numbers of all states of all time steps.
    pub fn state_len(&self) -> usize {
        let Self { time, batch, hidden, output, ref kernel, .. } = *self;
        time * batch * (output + (kernel.states() - 1) * hidden)
    }
}

/// The tensors that are read besides the input product, in the kernels' layouts. What there is not is empty. Weights and
/// projection are stored as the input product is, the others are float32.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct Inputs<B: Backend> {
    /// `[G·H, P]`
    pub weights: FloatTensor<B>,
    /// `[G·H]`
    pub bias: FloatTensor<B>,
    /// All states of one time step.
    pub state: FloatTensor<B>,
    /// `[P, H]`
    pub projection: FloatTensor<B>,
    /// `[G·H]`
    pub gain: FloatTensor<B>,
    /// `[B, P]`; not differentiated.
    pub dropout: FloatTensor<B>,
    /// All states of all time steps; not differentiated.
    pub zoneout: FloatTensor<B>,
}

/// The states of all time steps, and what backward needs besides.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct Walked<B: Backend> {
    pub states: FloatTensor<B>,
    /// What the cell saves, stored as the input product is.
    pub saved: FloatTensor<B>,
    /// What variants keep besides, where that is not part of the former.
    pub kept: FloatTensor<B>,
}

/// The gradients by the input product and the first five of [`Inputs`]; empty where none was asked for.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct ByInputs<B: Backend> {
    pub input: FloatTensor<B>,
    pub weights: FloatTensor<B>,
    pub bias: FloatTensor<B>,
    pub state: FloatTensor<B>,
    pub projection: FloatTensor<B>,
    pub gain: FloatTensor<B>,
}

/// The raw kernels, never differentiated.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub trait ScanKernels: Backend {
    /// The walk, with what backward needs. The input product is `[T, B, G·H]`.
    #[fusion(meta = super::shapes::walked)]
    fn scan_forward(walk: Walk, input: FloatTensor<Self>, #[extension_type] inputs: Inputs<Self>) -> Walked<Self>;

    /// The gradients that are wanted, in the order of [`ByInputs`]; they do without the input product, whose memory is free
    /// by then.
    #[fusion(meta = super::shapes::by_inputs)]
    fn scan_backward(
        walk: Walk,
        wanted: [bool; 6],
        #[extension_type] inputs: Inputs<Self>,
        #[extension_type] walked: Walked<Self>,
        gradient: FloatTensor<Self>,
    ) -> ByInputs<Self>;
}

/// The scan as one differentiable operation.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Autodiff,
    Fusion: cfg(feature = "cube")
)]
pub trait Recurrence: Backend {
    /// The states of all time steps.
    #[fusion(dtype = DType::F32, shape = Shape::new([walk.state_len()]))]
    fn scan(walk: Walk, input: FloatTensor<Self>, #[extension_type] inputs: Inputs<Self>) -> FloatTensor<Self>;
}

#[derive(Debug)]
struct ScanBackward;

impl<B: Backend + ScanKernels> Backward<B, 6> for ScanBackward {
    type State = (Walk, Inputs<B>, Walked<B>);

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (walk, inputs, walked) = ops.state;
        let wanted = std::array::from_fn(|n| ops.parents[n].is_some());
        let ByInputs { input, weights, bias, state, projection, gain } =
            B::scan_backward(walk, wanted, inputs, walked, gradient);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 6>(nodes, [input, weights, bias, state, projection, gain], gradients);
    }
}

impl<B: Backend, C: CheckpointStrategy> Inputs<Autodiff<B, C>> {
    /// Without their graph.
    pub(super) fn into_primitives(self) -> Inputs<B> {
        Inputs {
            weights: self.weights.into_primitive(),
            bias: self.bias.into_primitive(),
            state: self.state.into_primitive(),
            projection: self.projection.into_primitive(),
            gain: self.gain.into_primitive(),
            dropout: self.dropout.into_primitive(),
            zoneout: self.zoneout.into_primitive(),
        }
    }
}

impl<B: Backend + ScanKernels + Recurrence, C: CheckpointStrategy> Recurrence for Autodiff<B, C> {
    fn scan(walk: Walk, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        let differentiated = [&input, &inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain];
        let prepared = ScanBackward.prepare::<C>(differentiated.map(|tensor| tensor.node())).compute_bound().stateful();
        let input = input.into_primitive();
        let inputs = inputs.into_primitives();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let walked = B::scan_forward(walk.clone(), input, inputs.clone());
                let states = walked.states.clone();
                prepared.finish((walk, inputs, walked), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::scan(walk, input, inputs)),
        }
    }
}
