use std::fmt;

use burn::tensor::{Device, Tensor, TensorData};
use elman_cpu::{PackedLayer, SequenceBatch, Workspace, threads};

use super::Packed;
use crate::{scan::check_lengths, state::State};

/// Sequences that a [`Packed`] network reads: their state, and memory that every call uses again.
///
/// Numbers lie `[time, batch, feature]`, so that one time step is one piece of memory.
pub struct Session {
    network: Packed,
    batch: usize,
    /// Of each layer and direction: `[B, P]`, and `[B, H]` of a second state.
    states: Vec<Vec<f32>>,
    /// Of one direction each.
    sides: Vec<Side>,
    /// What a layer reads, and what it writes.
    buffers: [Vec<f32>; 2],
    read: Vec<f32>,
}

/// What one direction of a layer needs.
#[derive(Default)]
struct Side {
    workspace: Workspace,
    /// `[T, B, P]`, where there is another direction.
    output: Vec<f32>,
}

/// A copy goes on from the same state, in memory of its own.
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

/// Fewer multiplications than this are over before a second thread has begun.
const WORTH_A_THREAD: usize = 1 << 21;

impl Session {
    pub(super) fn new(network: Packed, batch: usize) -> Self {
        assert!(batch > 0, "session: [batch] must be at least 1");
        let layers = &network.0.layers;
        let states = layers.iter().flatten().map(|layer| vec![0.0; layer.state_len(batch)]).collect();
        let sides = layers[0].iter().map(|_| Side::default()).collect();
        Self { batch, states, sides, buffers: Default::default(), read: Vec::new(), network }
    }

    /// Reads one time step of every sequence and returns the last layer's output.
    ///
    /// After the first call it allocates nothing, unless the layers are so large that threads share them: handing out the work
    /// does.
    ///
    /// # Shapes
    /// - `x`: `[batch, d_input]`
    /// - output: `[batch, d_output]`
    ///
    /// # Panics
    /// If `x` has another size, or the network is bidirectional, which has no next step before it has the last.
    pub fn step(&mut self, x: &[f32]) -> &[f32] {
        assert!(!self.network.bidirectional(), "step: a bidirectional network reads whole sequences; use forward");
        let (found, expected) = (x.len(), self.batch * self.network.d_input());
        assert_eq!(found, expected, "step: numbers in [batch, d_input] (found, expected)");
        self.run(x, 1, None)
    }

    /// Reads the next time steps of every sequence and returns the last layer's output at each of them.
    ///
    /// # Shapes
    /// - `x`: `[time, batch, d_input]`
    /// - output: `[time, batch, d_output]`
    ///
    /// # Panics
    /// If `x` is no whole number of time steps.
    pub fn forward(&mut self, x: &[f32]) -> &[f32] {
        let time = self.time(x);
        self.run(x, time, None)
    }

    /// [`forward`](Self::forward) of sequences of different lengths: row `b` ends after `lengths[b]` time steps. Outputs past
    /// it are zero, or the read-out of zero; its state is the one at its end, and the reverse direction starts there. Input
    /// past it is never looked at.
    ///
    /// # Panics
    /// If `x` is no whole number of time steps, or the lengths are not one for each row, each at most that number.
    pub fn forward_ragged(&mut self, x: &[f32], lengths: &[usize]) -> &[f32] {
        let time = self.time(x);
        check_lengths(lengths, self.batch, time);
        self.run(x, time, Some(lengths))
    }

    /// Begins anew, from zeros.
    pub fn reset(&mut self) {
        self.states.iter_mut().for_each(|state| state.fill(0.0));
    }

    /// Sequences side by side.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The network.
    pub fn network(&self) -> &Packed {
        &self.network
    }

    /// The state after what was read, as the network that was packed has it.
    pub fn state(&self, device: &Device) -> State {
        let batch = self.batch;
        let mut start = 0;
        let parts = self.network.0.widths.iter().map(|width| {
            let len = batch * width;
            let numbers: Vec<f32> = self.states.iter().flat_map(|state| &state[start..start + len]).copied().collect();
            start += len;
            Tensor::from_data(TensorData::new(numbers, [self.states.len(), batch, *width]), device)
        });
        State::new(parts.collect())
    }

    /// Goes on from a state of the network that was packed.
    ///
    /// # Panics
    /// If the state is of another batch or network.
    pub fn set_state(&mut self, state: &State) {
        let batch = self.batch;
        let expected: Vec<_> = self.network.0.widths.iter().map(|width| [self.states.len(), batch, *width]).collect();
        let found: Vec<_> = state.parts().iter().map(Tensor::dims).collect();
        assert_eq!(found, expected, "state: shapes [layers·directions, batch, width] (found, expected)");
        let mut start = 0;
        for (part, [_, _, width]) in state.parts().iter().zip(expected) {
            let (numbers, len) = (super::weights::numbers(part.clone()), batch * width);
            for (state, numbers) in self.states.iter_mut().zip(numbers.chunks_exact(len)) {
                state[start..start + len].copy_from_slice(numbers);
            }
            start += len;
        }
    }

    fn time(&self, x: &[f32]) -> usize {
        let step = self.batch * self.network.d_input();
        assert!(
            x.len().is_multiple_of(step),
            "forward: {} numbers are no multiple of {step}, which a time step of [batch, d_input] = [{}, {}] has",
            x.len(),
            self.batch,
            self.network.d_input()
        );
        x.len() / step
    }

    fn run(&mut self, x: &[f32], time: usize, lengths: Option<&[usize]>) -> &[f32] {
        let Self { network, batch, states, sides, buffers: [from, into], read } = self;
        let (batch, threads) = (*batch, threads());
        for (l, layer) in network.0.layers.iter().enumerate() {
            let steps = SequenceBatch { time, batch, lengths, x: if l == 0 { x } else { from } };
            let outputs = layer[0].outputs();
            let states = &mut states[l * layer.len()..][..layer.len()];
            into.resize(time * batch * layer.len() * outputs, 0.0);
            match (layer.as_slice(), sides.as_mut_slice(), states) {
                ([one], [side], [state]) => one.forward(threads, steps, state, into, &mut side.workspace),
                ([there, back], [first, second], [state, state_back]) => {
                    let products = (there.products() + back.products()).saturating_mul(time * batch);
                    if threads > 1 && products >= WORTH_A_THREAD {
                        std::thread::scope(|scope| {
                            scope.spawn(|| walk(back, threads / 2, steps, state_back, second));
                            walk(there, threads - threads / 2, steps, state, first);
                        });
                    } else {
                        walk(there, threads, steps, state, first);
                        walk(back, threads, steps, state_back, second);
                    }
                    for (row, both) in into.chunks_exact_mut(2 * outputs).enumerate() {
                        both[..outputs].copy_from_slice(&first.output[row * outputs..][..outputs]);
                        both[outputs..].copy_from_slice(&second.output[row * outputs..][..outputs]);
                    }
                }
                _ => unreachable!("a layer has one direction or two, as all of them"),
            }
            std::mem::swap(from, into);
        }
        match &network.0.read_out {
            None => from,
            Some(layer) => {
                read.resize(time * batch * layer.outputs(), 0.0);
                layer.forward(threads, from, read);
                read
            }
        }
    }
}

/// One of two directions.
fn walk(layer: &PackedLayer, threads: usize, steps: SequenceBatch<'_>, state: &mut [f32], side: &mut Side) {
    side.output.resize(steps.time * steps.batch * layer.outputs(), 0.0);
    layer.forward(threads, steps, state, &mut side.output, &mut side.workspace);
}
