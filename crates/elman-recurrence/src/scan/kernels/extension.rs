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

/// Kernel, sizes and options of a scan.
#[derive(Clone, Debug)]
pub struct ScanSpec {
    pub kernel: Kernels,
    pub time: usize,
    /// Number of rows, of both directions together.
    pub batch: usize,
    pub hidden: usize,
    /// Width of the hidden state.
    pub output: usize,
    pub reverse: bool,
    /// Whether the second half of the rows is scanned in reverse, with the second half of the weights.
    pub bidirectional: bool,
    pub lengths: Option<Arc<[usize]>>,
    /// Rates of zoneout in inference.
    pub zoneout_rates: Option<[f32; 2]>,
}

#[cfg(feature = "cube")]
impl ScanSpec {
    /// Number of values of all states of all time steps.
    pub fn state_len(&self) -> usize {
        let Self { time, batch, hidden, output, ref kernel, .. } = *self;
        time * batch * (output + (kernel.states() - 1) * hidden)
    }
}

/// The tensors that a scan reads in addition to the input projection, in the kernels' layouts. Absent operands are
/// empty tensors. Weights and projection have the dtype of the input projection, the others are f32.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct Inputs<B: Backend> {
    /// `[G·H, P]`
    pub weights: FloatTensor<B>,
    /// `[G·H]`
    pub bias: FloatTensor<B>,
    /// The initial states, concatenated.
    pub state: FloatTensor<B>,
    /// `[P, H]`
    pub projection: FloatTensor<B>,
    /// `[G·H]`
    pub gain: FloatTensor<B>,
    /// The mask `[B, P]`; not differentiated.
    pub dropout: FloatTensor<B>,
    /// The masks of all states and time steps; not differentiated.
    pub zoneout: FloatTensor<B>,
}

/// The states of all time steps, and the values that backward needs.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct ScanResult<B: Backend> {
    pub states: FloatTensor<B>,
    /// The cell's saved values, in the dtype of the input projection.
    pub saved: FloatTensor<B>,
    /// Values that options of the scan save, if they are not part of `saved`.
    pub aux: FloatTensor<B>,
}

/// The gradients with respect to the input projection and the first five of [`Inputs`]; empty if not requested.
#[derive(Clone, Debug, ExtensionType)]
#[extension_type(fusion: cfg(feature = "cube"))]
pub struct InputGrads<B: Backend> {
    pub input: FloatTensor<B>,
    pub weights: FloatTensor<B>,
    pub bias: FloatTensor<B>,
    pub state: FloatTensor<B>,
    pub projection: FloatTensor<B>,
    pub gain: FloatTensor<B>,
}

/// The kernels, without autodiff.
#[backend_extension(
    Flex: cfg(feature = "flex"),
    NdArray: cfg(feature = "ndarray"),
    Cube: cfg(feature = "cube"),
    Fusion: cfg(feature = "cube")
)]
pub trait ScanKernels: Backend {
    /// The scan, with the values that backward needs. The input projection is `[T, B, G·H]`.
    #[fusion(meta = super::fusion_shapes::scan_result)]
    fn scan_forward(
        spec: ScanSpec,
        input: FloatTensor<Self>,
        #[extension_type] inputs: Inputs<Self>,
    ) -> ScanResult<Self>;

    /// The gradients; `needs_grad` is in the order of [`InputGrads`]. Does not read the input projection, so its memory
    /// can be freed after forward.
    #[fusion(meta = super::fusion_shapes::input_grads)]
    fn scan_backward(
        spec: ScanSpec,
        needs_grad: [bool; 6],
        #[extension_type] inputs: Inputs<Self>,
        #[extension_type] result: ScanResult<Self>,
        gradient: FloatTensor<Self>,
    ) -> InputGrads<Self>;
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
    #[fusion(dtype = DType::F32, shape = Shape::new([spec.state_len()]))]
    fn scan(spec: ScanSpec, input: FloatTensor<Self>, #[extension_type] inputs: Inputs<Self>) -> FloatTensor<Self>;
}

#[derive(Debug)]
struct ScanBackward;

impl<B: Backend + ScanKernels> Backward<B, 6> for ScanBackward {
    type State = (ScanSpec, Inputs<B>, ScanResult<B>);

    fn backward(self, ops: Ops<Self::State, 6>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (spec, inputs, result) = ops.state;
        let needs_grad = std::array::from_fn(|n| ops.parents[n].is_some());
        let InputGrads { input, weights, bias, state, projection, gain } =
            B::scan_backward(spec, needs_grad, inputs, result, gradient);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        register::<B, 6>(nodes, [input, weights, bias, state, projection, gain], gradients);
    }
}

impl<B: Backend, C: CheckpointStrategy> Inputs<Autodiff<B, C>> {
    /// The primitives, without the autodiff graph.
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
    fn scan(spec: ScanSpec, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
        let differentiated = [&input, &inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain];
        let prepared = ScanBackward.prepare::<C>(differentiated.map(|tensor| tensor.node())).compute_bound().stateful();
        let input = input.into_primitive();
        let inputs = inputs.into_primitives();
        match prepared {
            OpsKind::Tracked(prepared) => {
                let result = B::scan_forward(spec.clone(), input, inputs.clone());
                let states = result.states.clone();
                prepared.finish((spec, inputs, result), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::scan(spec, input, inputs)),
        }
    }
}
