use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Backend, ExtensionType, TensorMetadata,
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
use elman_cpu::{BackwardInto, Forward, Isa, Kernel, Norm, Sequences, Variant, Zoneout, backward, forward, saved_len};
use elman_layers::host::Host;

use super::{
    super::norm::EPSILON,
    optional::{asked, register, some, tensors},
};

/// How a batch is walked.
#[derive(Clone, Debug)]
pub struct Walk {
    pub kernel: Kernel,
    pub time: usize,
    pub batch: usize,
    pub hidden: usize,
    /// Width of the hidden state.
    pub output: usize,
    pub reverse: bool,
    pub lengths: Option<Arc<[usize]>>,
    /// Of zoneout in inference.
    pub rates: Option<[f32; 2]>,
}

/// The tensors that are read besides the input product, in the kernels' layouts. What there is not is empty.
#[derive(Clone, Debug, ExtensionType)]
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
pub struct Walked<B: Backend> {
    pub states: FloatTensor<B>,
    pub saved: FloatTensor<B>,
}

/// The gradients by the input product and the first five of [`Inputs`]; empty where none was asked for.
#[derive(Clone, Debug, ExtensionType)]
pub struct ByInputs<B: Backend> {
    pub input: FloatTensor<B>,
    pub weights: FloatTensor<B>,
    pub bias: FloatTensor<B>,
    pub state: FloatTensor<B>,
    pub projection: FloatTensor<B>,
    pub gain: FloatTensor<B>,
}

/// The raw kernels, never differentiated.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait ScanKernels: Backend {
    /// The walk, with what backward needs. The input product is `[T, B, G·H]`.
    fn scan_forward(walk: Walk, input: FloatTensor<Self>, #[extension_type] inputs: Inputs<Self>) -> Walked<Self>;

    /// The gradients that are wanted, in the order of [`ByInputs`]; they do without the input product, whose memory is free
    /// by then.
    fn scan_backward(
        walk: Walk,
        wanted: [bool; 6],
        #[extension_type] inputs: Inputs<Self>,
        #[extension_type] walked: Walked<Self>,
        gradient: FloatTensor<Self>,
    ) -> ByInputs<Self>;
}

/// The scan as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait Recurrence: Backend {
    /// The states of all time steps.
    fn scan(walk: Walk, input: FloatTensor<Self>, #[extension_type] inputs: Inputs<Self>) -> FloatTensor<Self>;
}

/// The numbers of [`Inputs`].
struct Numbers<B: Host> {
    weights: B::Numbers,
    bias: B::Numbers,
    state: B::Numbers,
    projection: B::Numbers,
    gain: B::Numbers,
    dropout: B::Numbers,
    zoneout: B::Numbers,
}

impl<B: Host> Numbers<B> {
    fn of(inputs: Inputs<B>) -> Self {
        Self {
            weights: B::numbers(inputs.weights),
            bias: B::numbers(inputs.bias),
            state: B::numbers(inputs.state),
            projection: B::numbers(inputs.projection),
            gain: B::numbers(inputs.gain),
            dropout: B::numbers(inputs.dropout),
            zoneout: B::numbers(inputs.zoneout),
        }
    }

    fn variant(&self, walk: &Walk) -> Variant<'_> {
        let masks = some(&self.zoneout).map(Zoneout::Masks);
        Variant {
            projection: some(&self.projection),
            norm: some(&self.gain).map(|gain| Norm { gain, epsilon: EPSILON as f32 }),
            dropout: some(&self.dropout),
            zoneout: masks.or(walk.rates.map(Zoneout::Rates)),
        }
    }
}

impl Walk {
    fn sequences(&self) -> Sequences<'_> {
        let Self { time, batch, hidden, output, reverse, ref lengths, .. } = *self;
        Sequences { time, batch, hidden, output, reverse, lengths: lengths.as_deref() }
    }

    /// The states, and what is saved if it is asked for.
    fn forward<B: Host>(&self, input: FloatTensor<B>, inputs: Inputs<B>, save: bool) -> Walked<B> {
        let device = input.device();
        let (input, numbers) = (B::numbers(input), Numbers::of(inputs));
        let (sequences, variant) = (self.sequences(), numbers.variant(self));
        let from = Forward {
            sequences,
            input: &input,
            weights: &numbers.weights,
            bias: some(&numbers.bias),
            state: &numbers.state,
            variant,
        };
        let mut states = vec![0.0; sequences.state_len(self.kernel.states(), sequences.time)];
        let mut saved = vec![0.0; if save { saved_len(&self.kernel, &sequences, &variant) } else { 0 }];
        let (isa, threads) = (Isa::best(), elman_cpu::threads());
        forward(&self.kernel, isa, threads, from, &mut states, save.then_some(&mut saved[..]));
        let [states, saved] = [states, saved].map(|values| {
            let len = values.len();
            B::tensor(values, [len], &device)
        });
        Walked { states, saved }
    }

    fn backward<B: Host>(
        &self,
        wanted: [bool; 6],
        inputs: Inputs<B>,
        walked: Walked<B>,
        gradient: FloatTensor<B>,
    ) -> ByInputs<B> {
        let device = gradient.device();
        let shape = Shape::new([self.time, self.batch, self.kernel.gates() * self.hidden]);
        let [weights, bias, state, projection, gain] =
            [&inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain].map(|of| of.shape());
        let shapes = [shape, weights, bias, state, projection, gain];
        let numbers = Numbers::of(inputs);
        let [states, saved, gradient] = [walked.states, walked.saved, gradient].map(B::numbers);
        let from = elman_cpu::Backward {
            sequences: self.sequences(),
            weights: &numbers.weights,
            state: &numbers.state,
            variant: numbers.variant(self),
            states: &states,
            saved: &saved,
            gradient: &gradient,
        };
        // these two are made in any case
        let is_made = |n: usize| matches!(n, 0 | 3) || wanted[n];
        let mut into: [Vec<f32>; 6] =
            std::array::from_fn(|n| vec![0.0; if is_made(n) { shapes[n].num_elements() } else { 0 }]);
        let [input, weights, bias, state, projection, gain] = &mut into;
        let all = BackwardInto {
            input,
            state,
            weights: asked(weights),
            bias: asked(bias),
            projection: asked(projection),
            gain: asked(gain),
        };
        backward(&self.kernel, Isa::best(), elman_cpu::threads(), from, all);
        let [input, weights, bias, state, projection, gain] = tensors::<B, 6>(into, shapes, &device);
        ByInputs { input, weights, bias, state, projection, gain }
    }
}

macro_rules! on_host {
    ($backend:ty) => {
        impl ScanKernels for $backend {
            fn scan_forward(walk: Walk, input: FloatTensor<Self>, inputs: Inputs<Self>) -> Walked<Self> {
                walk.forward(input, inputs, true)
            }

            fn scan_backward(
                walk: Walk,
                wanted: [bool; 6],
                inputs: Inputs<Self>,
                walked: Walked<Self>,
                gradient: FloatTensor<Self>,
            ) -> ByInputs<Self> {
                walk.backward(wanted, inputs, walked, gradient)
            }
        }

        impl Recurrence for $backend {
            fn scan(walk: Walk, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
                walk.forward(input, inputs, false).states
            }
        }
    };
}

#[cfg(feature = "flex")]
on_host!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_host!(burn::backend::NdArray);

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
