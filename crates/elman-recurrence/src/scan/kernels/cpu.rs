//! The scan on the CPU: the kernels of `elman-cpu`.

use burn::{
    backend::{TensorMetadata, tensor::FloatTensor},
    tensor::Shape,
};
use elman_cpu::{
    BackwardInto, Forward, Isa, Kernel, LayerNorm, ScanOptions, Sequences, Zoneout, backward, forward, saved_len,
};
use elman_layers::cpu::CpuBackend;

use super::{
    super::norm::EPSILON,
    extension::{InputGrads, Inputs, Recurrence, ScanKernels, ScanResult, ScanSpec},
    kernel::Kernels,
    optional::{non_empty, non_empty_mut, tensors},
};

/// The values of [`Inputs`].
pub(super) struct InputValues<B: CpuBackend> {
    pub weights: B::Values,
    pub bias: B::Values,
    pub state: B::Values,
    projection: B::Values,
    gain: B::Values,
    dropout: B::Values,
    pub zoneout: B::Values,
}

impl<B: CpuBackend> InputValues<B> {
    pub fn new(inputs: Inputs<B>) -> Self {
        Self {
            weights: B::values(inputs.weights),
            bias: B::values(inputs.bias),
            state: B::values(inputs.state),
            projection: B::values(inputs.projection),
            gain: B::values(inputs.gain),
            dropout: B::values(inputs.dropout),
            zoneout: B::values(inputs.zoneout),
        }
    }

    pub fn options(&self, spec: &ScanSpec) -> ScanOptions<'_> {
        let masks = non_empty(&self.zoneout).map(Zoneout::Masks);
        ScanOptions {
            projection: non_empty(&self.projection),
            norm: non_empty(&self.gain).map(|gain| LayerNorm { gain, epsilon: EPSILON as f32 }),
            dropout: non_empty(&self.dropout),
            zoneout: masks.or(spec.zoneout_rates.map(Zoneout::Rates)),
        }
    }
}

impl ScanSpec {
    pub(super) fn cpu_kernel(&self) -> &Kernel {
        match &self.kernel {
            Kernels::Cpu(kernel) => kernel,
            #[cfg(feature = "cube")]
            Kernels::Cube(_) => unreachable!("the kernel was chosen for the device"),
        }
    }

    pub(super) fn sequences(&self) -> Sequences<'_> {
        let Self { time, batch, hidden, output, reverse, ref lengths, .. } = *self;
        Sequences { time, batch, hidden, output, reverse, lengths: lengths.as_deref() }
    }

    /// The states and, if `save` is set, the saved values.
    fn cpu_forward<B: CpuBackend>(&self, input: FloatTensor<B>, inputs: Inputs<B>, save: bool) -> ScanResult<B> {
        let device = input.device();
        let (input, values) = (B::values(input), InputValues::new(inputs));
        let (sequences, options) = (self.sequences(), values.options(self));
        let from = Forward {
            sequences,
            input: &input,
            weights: &values.weights,
            bias: non_empty(&values.bias),
            state: &values.state,
            variant: options,
        };
        let mut states = vec![0.0; sequences.state_len(self.kernel.states(), sequences.time)];
        let mut saved = vec![0.0; if save { saved_len(self.cpu_kernel(), &sequences, &options) } else { 0 }];
        let (isa, threads) = (Isa::best(), elman_cpu::threads());
        forward(self.cpu_kernel(), isa, threads, from, &mut states, save.then_some(&mut saved[..]));
        let [states, saved, aux] = [states, saved, Vec::new()].map(|values| {
            let len = values.len();
            B::tensor(values, [len], &device)
        });
        ScanResult { states, saved, aux }
    }

    fn cpu_backward<B: CpuBackend>(
        &self,
        needs_grad: [bool; 6],
        inputs: Inputs<B>,
        result: ScanResult<B>,
        gradient: FloatTensor<B>,
    ) -> InputGrads<B> {
        let device = gradient.device();
        let shape = Shape::new([self.time, self.batch, self.kernel.gates() * self.hidden]);
        let [weights, bias, state, projection, gain] =
            [&inputs.weights, &inputs.bias, &inputs.state, &inputs.projection, &inputs.gain]
                .map(|tensor| tensor.shape());
        let shapes = [shape, weights, bias, state, projection, gain];
        let values = InputValues::new(inputs);
        let [states, saved, gradient] = [result.states, result.saved, gradient].map(B::values);
        let from = elman_cpu::Backward {
            sequences: self.sequences(),
            weights: &values.weights,
            state: &values.state,
            variant: values.options(self),
            states: &states,
            saved: &saved,
            gradient: &gradient,
        };
        // the gradients of input projection and initial state are always computed
        let is_computed = |n: usize| matches!(n, 0 | 3) || needs_grad[n];
        let mut into: [Vec<f32>; 6] =
            std::array::from_fn(|n| vec![0.0; if is_computed(n) { shapes[n].num_elements() } else { 0 }]);
        let [input, weights, bias, state, projection, gain] = &mut into;
        let all = BackwardInto {
            input,
            state,
            weights: non_empty_mut(weights),
            bias: non_empty_mut(bias),
            projection: non_empty_mut(projection),
            gain: non_empty_mut(gain),
        };
        backward(self.cpu_kernel(), Isa::best(), elman_cpu::threads(), from, all);
        let [input, weights, bias, state, projection, gain] = tensors::<B, 6>(into, shapes, &device);
        InputGrads { input, weights, bias, state, projection, gain }
    }
}

macro_rules! on_cpu {
    ($backend:ty) => {
        impl ScanKernels for $backend {
            fn scan_forward(spec: ScanSpec, input: FloatTensor<Self>, inputs: Inputs<Self>) -> ScanResult<Self> {
                spec.cpu_forward(input, inputs, true)
            }

            fn scan_backward(
                spec: ScanSpec,
                needs_grad: [bool; 6],
                inputs: Inputs<Self>,
                result: ScanResult<Self>,
                gradient: FloatTensor<Self>,
            ) -> InputGrads<Self> {
                spec.cpu_backward(needs_grad, inputs, result, gradient)
            }
        }

        impl Recurrence for $backend {
            fn scan(spec: ScanSpec, input: FloatTensor<Self>, inputs: Inputs<Self>) -> FloatTensor<Self> {
                spec.cpu_forward(input, inputs, false).states
            }
        }
    };
}

#[cfg(feature = "flex")]
on_cpu!(burn::backend::Flex);
#[cfg(feature = "ndarray")]
on_cpu!(burn::backend::NdArray);
