use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use elman_cpu::{PackedLayer, SequenceBatch, Workspace, threads};

use super::Packed;
use crate::{scan::check_lengths, state::State};

/// Runs a [`Packed`] network on a batch of sequences: the state, and buffers that are reused by every call.
///
/// Inputs and outputs are `[time, batch, feature]`, so that a time step is contiguous.
pub struct Session {
    network: Packed,
    batch: usize,
    /// The states of each layer and direction: `[B, P]` and, if there is a second state, `[B, H]`.
    states: Vec<Vec<f32>>,
    /// Buffers of each direction.
    directions: Vec<DirectionBuffers>,
    /// Input and output of a layer.
    buffers: [Vec<f32>; 2],
    read_out: Vec<f32>,
}

/// Buffers of one direction of a layer.
#[derive(Default)]
struct DirectionBuffers {
    workspace: Workspace,
    /// `[T, B, P]`; empty unless the network is bidirectional.
    output: Vec<f32>,
}

/// A clone continues from the same state, with its own buffers.
impl Clone for Session {
    fn clone(&self) -> Self {
        Self { states: self.states.clone(), ..Self::new(self.network.clone(), self.batch) }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("network", &self.network).field("batch", &self.batch).finish_non_exhaustive()
    }
}

/// Minimum number of multiplications to run the two directions in parallel; fewer take less time than starting a
/// thread.
const MIN_PARALLEL_PRODUCTS: usize = 1 << 21;

impl Session {
    pub(super) fn new(network: Packed, batch: usize) -> Self {
        assert!(batch > 0, "session: [batch] must be at least 1");
        let layers = &network.0.layers;
        let states = layers.iter().flatten().map(|layer| vec![0.0; layer.state_len(batch)]).collect();
        let directions = layers[0].iter().map(|_| DirectionBuffers::default()).collect();
        Self { batch, states, directions, buffers: Default::default(), read_out: Vec::new(), network }
    }

    /// Runs one time step of every sequence and returns the last layer's output.
    ///
    /// After the first call it does not allocate, unless the layers are so large that they are distributed over
    /// threads.
    ///
    /// # Shapes
    /// - `x`: `[batch, d_input]`
    /// - output: `[batch, d_output]`
    ///
    /// # Panics
    /// If `x` has the wrong size, or the network is bidirectional: its outputs depend on the whole sequence.
    pub fn step(&mut self, x: &[f32]) -> &[f32] {
        assert!(!self.network.bidirectional(), "step: a bidirectional network needs whole sequences; use forward");
        let (found, expected) = (x.len(), self.batch * self.network.d_input());
        assert_eq!(found, expected, "step: number of values of [batch, d_input] (found, expected)");
        self.run(x, 1, None)
    }

    /// Runs the next time steps of every sequence and returns the last layer's output at each of them.
    ///
    /// # Shapes
    /// - `x`: `[time, batch, d_input]`
    /// - output: `[time, batch, d_output]`
    ///
    /// # Panics
    /// If `x` is not a whole number of time steps.
    pub fn forward(&mut self, x: &[f32]) -> &[f32] {
        let time = self.time(x);
        self.run(x, time, None)
    }

    /// [`forward`](Self::forward) of a ragged batch: row `b` ends after `lengths[b]` time steps. After its end, the
    /// output of a row is zero, or the read-out of zero, and its input is not read. Its state is the state at the end,
    /// and the reverse direction starts there.
    ///
    /// # Panics
    /// If `x` is not a whole number of time steps, there is not one length per row, or a length exceeds the number of
    /// time steps.
    pub fn forward_ragged(&mut self, x: &[f32], lengths: &[usize]) -> &[f32] {
        let time = self.time(x);
        check_lengths(lengths, self.batch, time);
        self.run(x, time, Some(lengths))
    }

    /// Resets the state to zeros.
    pub fn reset(&mut self) {
        self.states.iter_mut().for_each(|state| state.fill(0.0));
    }

    /// Number of sequences in the batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The network.
    pub fn network(&self) -> &Packed {
        &self.network
    }

    /// The current state, as a state of the network that was packed.
    pub fn state(&self, device: &Device) -> State {
        let batch = self.batch;
        let mut start = 0;
        let parts = self.network.0.widths.iter().map(|width| {
            let len = batch * width;
            let values: Vec<f32> = self.states.iter().flat_map(|state| &state[start..start + len]).copied().collect();
            start += len;
            Tensor::from_data(TensorData::new(values, [self.states.len(), batch, *width]), device)
        });
        State::new(parts.collect())
    }

    /// Sets the state to one of the network that was packed.
    ///
    /// # Panics
    /// If the shapes do not match the network and the batch size.
    pub fn set_state(&mut self, state: &State) {
        let batch = self.batch;
        let expected: Vec<_> = self.network.0.widths.iter().map(|width| [self.states.len(), batch, *width]).collect();
        let found: Vec<_> = state.parts().iter().map(Tensor::dims).collect();
        assert_eq!(found, expected, "state: shapes [layers·directions, batch, width] (found, expected)");
        let mut start = 0;
        for (part, [_, _, width]) in state.parts().iter().zip(expected) {
            let (values, len) = (super::to_vec_f32(part.clone()), batch * width);
            for (state, values) in self.states.iter_mut().zip(values.chunks_exact(len)) {
                state[start..start + len].copy_from_slice(values);
            }
            start += len;
        }
    }

    fn time(&self, x: &[f32]) -> usize {
        let step = self.batch * self.network.d_input();
        assert!(
            x.len().is_multiple_of(step),
            "forward: {} values are not a multiple of {step}, the size of a time step of [batch, d_input] = [{}, {}]",
            x.len(),
            self.batch,
            self.network.d_input()
        );
        x.len() / step
    }

    fn run(&mut self, x: &[f32], time: usize, lengths: Option<&[usize]>) -> &[f32] {
        let Self { network, batch, states, directions, buffers: [from, into], read_out } = self;
        let (batch, threads) = (*batch, threads());
        for (l, layer) in network.0.layers.iter().enumerate() {
            let sequences = SequenceBatch { time, batch, lengths, x: if l == 0 { x } else { from } };
            let outputs = layer[0].outputs();
            let states = &mut states[l * layer.len()..][..layer.len()];
            into.resize(time * batch * layer.len() * outputs, 0.0);
            match (layer.as_slice(), directions.as_mut_slice(), states) {
                ([layer], [buffers], [state]) => layer.forward(threads, sequences, state, into, &mut buffers.workspace),
                ([forward, reverse], [first, second], [forward_state, reverse_state]) => {
                    let products = (forward.products() + reverse.products()).saturating_mul(time * batch);
                    if threads > 1 && products >= MIN_PARALLEL_PRODUCTS {
                        std::thread::scope(|scope| {
                            scope.spawn(|| run_direction(reverse, threads / 2, sequences, reverse_state, second));
                            run_direction(forward, threads - threads / 2, sequences, forward_state, first);
                        });
                    } else {
                        run_direction(forward, threads, sequences, forward_state, first);
                        run_direction(reverse, threads, sequences, reverse_state, second);
                    }
                    for (row, both) in into.chunks_exact_mut(2 * outputs).enumerate() {
                        both[..outputs].copy_from_slice(&first.output[row * outputs..][..outputs]);
                        both[outputs..].copy_from_slice(&second.output[row * outputs..][..outputs]);
                    }
                }
                _ => unreachable!("all layers have the same number of directions, one or two"),
            }
            std::mem::swap(from, into);
        }
        match &network.0.read_out {
            None => from,
            Some(layer) => {
                read_out.resize(time * batch * layer.outputs(), 0.0);
                layer.forward(threads, from, read_out);
                read_out
            }
        }
    }
}

/// Runs one direction of a bidirectional layer.
fn run_direction(
    layer: &PackedLayer,
    threads: usize,
    sequences: SequenceBatch<'_>,
    state: &mut [f32],
    buffers: &mut DirectionBuffers,
) {
    buffers.output.resize(sequences.time * sequences.batch * layer.outputs(), 0.0);
    layer.forward(threads, sequences, state, &mut buffers.output, &mut buffers.workspace);
}
