use std::sync::Arc;

use burn::{
    backend::{
        Autodiff, Backend, TensorMetadata,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        tensor::FloatTensor,
    },
    tensor::{Shape, Slice},
};
use elman_cpu::{BackwardInto, Forward, Isa, Kernel, Sequences, backward, forward};
use elman_layers::host::Host;

/// How a batch is walked.
#[derive(Clone, Debug)]
pub struct Walk {
    pub kernel: Kernel,
    pub reverse: bool,
    pub lengths: Option<Arc<[usize]>>,
}

/// The raw kernels, never differentiated.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"))]
pub trait ScanKernels: Backend {
    /// `input` `[T, B, G·H]`, `weights` `[G·H, H]`, `bias` `[G·H]`, `state` `[STATES, B, H]` → the states,
    /// `[STATES, T, B, H]`, and what backward needs besides, `[T, B, SAVED·H]`.
    fn scan_forward(
        walk: Walk,
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The gradients by the input product and by the recurrent product, `[T, B, G·H]`, and by the initial state.
    fn scan_backward(
        walk: Walk,
        weights: FloatTensor<Self>,
        state: FloatTensor<Self>,
        states: FloatTensor<Self>,
        saved: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// The scan as one differentiable operation.
#[backend_extension(Flex: cfg(feature = "flex"), NdArray: cfg(feature = "ndarray"), Autodiff)]
pub trait Recurrence: Backend {
    /// The states `[STATES, T, B, H]`; arguments as of [`ScanKernels::scan_forward`].
    fn scan(
        walk: Walk,
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

impl Walk {
    fn sequences(&self, time: usize, batch: usize, hidden: usize) -> Sequences<'_> {
        Sequences { time, batch, hidden, reverse: self.reverse, lengths: self.lengths.as_deref() }
    }

    /// States, and what is saved if it is asked for.
    fn forward<B: Host>(
        &self,
        input: FloatTensor<B>,
        weights: FloatTensor<B>,
        bias: FloatTensor<B>,
        state: FloatTensor<B>,
        save: bool,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        let (shape, device) = (input.shape(), input.device());
        let (time, batch, hidden) = (shape[0], shape[1], shape[2] / self.kernel.gates());
        let [input, weights, bias, state] = [input, weights, bias, state].map(B::numbers);
        let from = Forward {
            sequences: self.sequences(time, batch, hidden),
            input: &input,
            weights: &weights,
            bias: Some(&bias),
            state: &state,
        };
        let mut states = vec![0.0; self.kernel.states() * time * batch * hidden];
        let mut saved = if save { vec![0.0; self.kernel.saved() * time * batch * hidden] } else { Vec::new() };
        forward(self.kernel, Isa::best(), elman_cpu::threads(), from, &mut states, save.then_some(&mut saved[..]));
        let saved_shape = if save { [time, batch, self.kernel.saved() * hidden] } else { [0; 3] };
        (
            B::tensor(states, [self.kernel.states(), time, batch, hidden], &device),
            B::tensor(saved, saved_shape, &device),
        )
    }

    fn backward<B: Host>(
        &self,
        weights: FloatTensor<B>,
        state: FloatTensor<B>,
        states: FloatTensor<B>,
        saved: FloatTensor<B>,
        gradient: FloatTensor<B>,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let (shape, device) = (states.shape(), states.device());
        let (time, batch, hidden) = (shape[1], shape[2], shape[3]);
        let [weights, state, states, saved, gradient] = [weights, state, states, saved, gradient].map(B::numbers);
        let from = elman_cpu::Backward {
            sequences: self.sequences(time, batch, hidden),
            weights: &weights,
            state: &state,
            states: &states,
            saved: &saved,
            gradient: &gradient,
        };
        let gates = [time, batch, self.kernel.gates() * hidden];
        let mut by_input = vec![0.0; time * batch * self.kernel.gates() * hidden];
        let mut by_recurrent = self.kernel.is_split().then(|| by_input.clone());
        let mut by_state = vec![0.0; self.kernel.states() * batch * hidden];
        let into = BackwardInto { input: &mut by_input, recurrent: by_recurrent.as_deref_mut(), state: &mut by_state };
        backward(self.kernel, Isa::best(), elman_cpu::threads(), from, into);
        let by_input = B::tensor(by_input, gates, &device);
        let by_recurrent = by_recurrent.map_or(by_input.clone(), |by| B::tensor(by, gates, &device));
        (by_input, by_recurrent, B::tensor(by_state, [self.kernel.states(), batch, hidden], &device))
    }
}

macro_rules! on_host {
    ($backend:ty) => {
        impl ScanKernels for $backend {
            fn scan_forward(
                walk: Walk,
                input: FloatTensor<Self>,
                weights: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                state: FloatTensor<Self>,
            ) -> (FloatTensor<Self>, FloatTensor<Self>) {
                walk.forward::<Self>(input, weights, bias, state, true)
            }

            fn scan_backward(
                walk: Walk,
                weights: FloatTensor<Self>,
                state: FloatTensor<Self>,
                states: FloatTensor<Self>,
                saved: FloatTensor<Self>,
                gradient: FloatTensor<Self>,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                walk.backward::<Self>(weights, state, states, saved, gradient)
            }
        }

        impl Recurrence for $backend {
            fn scan(
                walk: Walk,
                input: FloatTensor<Self>,
                weights: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                state: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                walk.forward::<Self>(input, weights, bias, state, false).0
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

impl<B: Backend + ScanKernels> Backward<B, 4> for ScanBackward {
    /// The walk, the recurrent weights, the initial state, the states, what was saved.
    type State = (Walk, [FloatTensor<B>; 4]);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [input, weights, bias, state] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (walk, [recurrent, initial, states, saved]) = ops.state;
        let reverse = walk.reverse;
        let (by_input, by_product, by_state) =
            B::scan_backward(walk, recurrent, initial.clone(), states.clone(), saved, gradient);
        let shape = by_product.shape();
        let rows = shape[0] * shape[1];
        let flat = B::float_reshape(by_product, Shape::new([rows, shape[2]]));
        if let Some(node) = weights {
            let before = hidden_before::<B>(initial, states, reverse);
            let hidden = before.shape()[2];
            let before = B::float_reshape(before, Shape::new([rows, hidden]));
            gradients.register::<B>(node.id, B::float_matmul(B::float_transpose(flat.clone()), before));
        }
        if let Some(node) = bias {
            let sum = B::float_sum_dim(flat, 0);
            gradients.register::<B>(node.id, B::float_reshape(sum, Shape::new([shape[2]])));
        }
        if let Some(node) = input {
            gradients.register::<B>(node.id, by_input);
        }
        if let Some(node) = state {
            gradients.register::<B>(node.id, by_state);
        }
    }
}

/// The hidden state before each step, `[T, B, H]`.
fn hidden_before<B: Backend>(initial: FloatTensor<B>, states: FloatTensor<B>, reverse: bool) -> FloatTensor<B> {
    let shape = states.shape();
    let (time, batch, hidden) = (shape[1], shape[2], shape[3]);
    let first = B::float_slice(initial, &[Slice::from(0..1)]);
    let walked = if reverse { 1..time } else { 0..time - 1 };
    let rest = B::float_slice(states, &[Slice::from(0..1), Slice::from(walked)]);
    let rest = B::float_reshape(rest, Shape::new([time - 1, batch, hidden]));
    B::float_cat(if reverse { vec![rest, first] } else { vec![first, rest] }, 0)
}

impl<B: Backend + ScanKernels + Recurrence, C: CheckpointStrategy> Recurrence for Autodiff<B, C> {
    fn scan(
        walk: Walk,
        input: FloatTensor<Self>,
        weights: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        state: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let nodes = [input.node(), weights.node(), bias.node(), state.node()];
        let prepared = ScanBackward.prepare::<C>(nodes).compute_bound().stateful();
        let [input, weights, bias, state] = [input, weights, bias, state].map(|tensor| tensor.into_primitive());
        match prepared {
            OpsKind::Tracked(prepared) => {
                let (states, saved) = B::scan_forward(walk.clone(), input, weights.clone(), bias, state.clone());
                prepared.finish((walk, [weights, state, states.clone(), saved]), states)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::scan(walk, input, weights, bias, state)),
        }
    }
}
