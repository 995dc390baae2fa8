//! The scan on a processor: the kernels of `elman-cpu`.

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
    extension::{ByInputs, Inputs, Recurrence, ScanKernels, Walk, Walked},
    kernel::Kernels,
    optional::{asked, some, tensors},
};

/// The numbers of [`Inputs`].
pub(super) struct Numbers<B: CpuBackend> {
    pub weights: B::Values,
    pub bias: B::Values,
    pub state: B::Values,
    projection: B::Values,
    gain: B::Values,
    dropout: B::Values,
    pub zoneout: B::Values,
}

impl<B: CpuBackend> Numbers<B> {
    pub fn of(inputs: Inputs<B>) -> Self {
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

    pub fn variant(&self, walk: &Walk) -> ScanOptions<'_> {
        let masks = some(&self.zoneout).map(Zoneout::Masks);
        ScanOptions {
            projection: some(&self.projection),
            norm: some(&self.gain).map(|gain| LayerNorm { gain, epsilon: EPSILON as f32 }),
            dropout: some(&self.dropout),
            zoneout: masks.or(walk.rates.map(Zoneout::Rates)),
        }
    }
}

impl Walk {
    pub(super) fn kernel(&self) -> &Kernel {
        match &self.kernel {
            Kernels::Processor(kernel) => kernel,
            #[cfg(feature = "cube")]
            Kernels::Cube(_) => unreachable!("chosen for the device"),
        }
    }

    pub(super) fn sequences(&self) -> Sequences<'_> {
        let Self { time, batch, hidden, output, reverse, ref lengths, .. } = *self;
        Sequences { time, batch, hidden, output, reverse, lengths: lengths.as_deref() }
    }

    /// The states, and what is saved if it is asked for.
    fn forward<B: CpuBackend>(&self, input: FloatTensor<B>, inputs: Inputs<B>, save: bool) -> Walked<B> {
        let device = input.device();
        let (input, numbers) = (B::values(input), Numbers::of(inputs));
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
        let mut saved = vec![0.0; if save { saved_len(self.kernel(), &sequences, &variant) } else { 0 }];
        let (isa, threads) = (Isa::best(), elman_cpu::threads());
        forward(self.kernel(), isa, threads, from, &mut states, save.then_some(&mut saved[..]));
        let [states, saved, kept] = [states, saved, Vec::new()].map(|values| {
            let len = values.len();
            B::tensor(values, [len], &device)
        });
        Walked { states, saved, kept }
    }

    fn backward<B: CpuBackend>(
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
        let [states, saved, gradient] = [walked.states, walked.saved, gradient].map(B::values);
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
        backward(self.kernel(), Isa::best(), elman_cpu::threads(), from, all);
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
