use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use super::PackedLinear;
use crate::{
    Forward, Isa, Kernel, LayerNorm, ScanOptions, Sequences, WeightDtype, Zoneout,
    forward::{PackedWeights, ScanArgs, Scratch, ThreadTask, UnpackedWeights, plan},
    linear::NormAndBias,
    product::BlockRows,
    threading::{Barrier, Plan, SharedPtr, StridedRows},
};

/// The unpacked weights of one direction of a recurrent layer.
///
/// Legend: `T` time, `B` batch, `G` gates, `H` hidden units, `P` outputs, `I` inputs.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'a> {
    /// `I`
    pub width: usize,
    /// `H`
    pub hidden: usize,
    /// `P`: `H` without a projection.
    pub output: usize,
    /// The input weights, `[G·H, I]`.
    pub input: &'a [f32],
    /// The input bias, `[G·H]`.
    pub input_bias: Option<&'a [f32]>,
    /// Layer normalization of the input product, before its bias is added.
    pub input_norm: Option<LayerNorm<'a>>,
    /// The recurrent weights, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub recurrent: &'a [f32],
    /// The recurrent bias, `[G·H]`.
    pub recurrent_bias: Option<&'a [f32]>,
    /// Layer normalization of the recurrent product, before its bias is added.
    pub recurrent_norm: Option<LayerNorm<'a>>,
    /// `[P, H]`
    pub projection: Option<&'a [f32]>,
    /// The zoneout probabilities of the hidden state and of the second state.
    pub zoneout: Option<[f32; 2]>,
}

/// One direction of a recurrent layer for inference. Its weights are packed once.
///
/// A long sequence is processed in chunks of time steps. The input projection of a chunk is still in the cache when the
/// recurrence reads it, and the size of the [`Workspace`] does not depend on the number of time steps.
pub struct PackedLayer {
    /// Unique within the process.
    id: usize,
    kernel: Kernel,
    isa: Isa,
    reverse: bool,
    hidden: usize,
    output: usize,
    input: PackedLinear,
    /// Its bias is added after normalization instead of by `input`.
    input_norm: Option<OwnedLayerNorm>,
    recurrent: PackedWeights,
    recurrent_norm: Option<OwnedLayerNorm>,
    zoneout: Option<[f32; 2]>,
}

impl fmt::Debug for PackedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, reverse, hidden, output, .. } = self;
        write!(f, "PackedLayer({kernel:?}, {} → {hidden} → {output}, reverse: {reverse})", self.inputs())
    }
}

struct OwnedLayerNorm {
    gain: Vec<f32>,
    epsilon: f32,
    bias: Option<Vec<f32>>,
}

impl OwnedLayerNorm {
    fn new(norm: Option<LayerNorm<'_>>, bias: Option<&[f32]>) -> Option<Self> {
        norm.map(|LayerNorm { gain, epsilon }| Self { gain: gain.into(), epsilon, bias: bias.map(<[f32]>::to_vec) })
    }

    fn get(&self) -> LayerNorm<'_> {
        LayerNorm { gain: &self.gain, epsilon: self.epsilon }
    }
}

/// A batch of input sequences.
#[derive(Clone, Copy, Debug)]
pub struct SequenceBatch<'a> {
    /// `T`
    pub time: usize,
    /// `B`
    pub batch: usize,
    /// Number of time steps of each row; `None` if every row has all of them.
    pub lengths: Option<&'a [usize]>,
    /// The input, `[T, B, I]`.
    pub x: &'a [f32],
}

/// Temporary memory of [`PackedLayer::forward`], which later calls reuse. It can be used with any layer, one at a time.
#[derive(Default)]
pub struct Workspace {
    /// The input projection of a chunk, `[t, B, G·H]`.
    gates: Vec<f32>,
    /// The states of a chunk.
    states: Vec<f32>,
    /// The lengths of the rows within a chunk.
    lengths: Vec<usize>,
    /// Scratch memory and thread states of the last layer.
    cached: Option<(Key, Scratch, Vec<Mutex<ThreadState>>)>,
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// Cache key of scratch memory and thread states: the plan, the batch size and the layer's id.
type Key = (Plan, usize, usize);

struct ThreadState {
    task: ThreadTask,
    /// Rows of the input projection.
    rows: Vec<usize>,
}

/// Maximum values of a chunk's input projection, so that it stays in the cache.
const MAX_CHUNK_VALUES: usize = 1 << 19;

impl PackedLayer {
    /// Packs the weights of a layer that scans from the first time step to the last, or from last to first if `reverse`
    /// is set.
    ///
    /// # Panics
    /// If a slice has the wrong size, or the cell does not support a projection that is given.
    pub fn new(kernel: Kernel, isa: Isa, dtype: WeightDtype, reverse: bool, from: LayerWeights<'_>) -> Self {
        let LayerWeights { width, hidden, output, .. } = from;
        let (rows, recurrent_rows) = (kernel.gates() * hidden, kernel.recurrent_rows(hidden));
        assert_eq!(from.input.len(), rows * width, "input weights: [G·H, I]");
        assert_eq!(from.recurrent.len(), recurrent_rows * output, "recurrent weights: [G·H, P]");
        for (name, found, expected) in [
            ("input bias", from.input_bias, rows),
            ("input gain", from.input_norm.map(|norm| norm.gain), rows),
            ("recurrent bias", from.recurrent_bias, recurrent_rows),
            ("recurrent gain", from.recurrent_norm.map(|norm| norm.gain), recurrent_rows),
        ] {
            assert_eq!(found.map_or(expected, <[f32]>::len), expected, "{name}: [G·H]");
        }
        assert!(from.projection.is_none() || kernel.has_projection(), "this cell's hidden state cannot be projected");
        assert_eq!(from.projection.map_or(hidden, |_| output), output, "output: equals hidden without a projection");
        assert_eq!(
            from.projection.map_or(0, <[f32]>::len),
            from.projection.map_or(0, |_| output * hidden),
            "projection: [P, H]"
        );

        let input_bias = from.input_bias.filter(|_| from.input_norm.is_none());
        let unpacked = UnpackedWeights {
            hidden,
            output,
            weights: from.recurrent,
            bias: from.recurrent_bias,
            projection: from.projection,
            is_normalized: from.recurrent_norm.is_some(),
        };
        static NEXT_ID: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            recurrent: PackedWeights::pack(kernel.spec(), isa, dtype, unpacked),
            kernel,
            isa,
            reverse,
            hidden,
            output,
            input: PackedLinear::new(isa, dtype, from.input, input_bias, width),
            input_norm: OwnedLayerNorm::new(from.input_norm, from.input_bias),
            recurrent_norm: OwnedLayerNorm::new(from.recurrent_norm, from.recurrent_bias),
            zoneout: from.zoneout,
        }
    }

    /// `I`
    pub fn inputs(&self) -> usize {
        self.input.inputs()
    }

    /// `P`
    pub fn outputs(&self) -> usize {
        self.output
    }

    /// Number of values of the states of `batch` rows: `[B, P]`, followed by `[B, H]` of a second state.
    pub fn state_len(&self, batch: usize) -> usize {
        batch * (self.output + (self.kernel.states() - 1) * self.hidden)
    }

    /// Multiplications by weights per row and time step.
    pub fn products(&self) -> usize {
        let recurrent = self.kernel.recurrent_rows(self.hidden) * self.output;
        let projection = if self.recurrent.projection.is_some() { self.output * self.hidden } else { 0 };
        self.input.outputs() * self.inputs() + recurrent + projection
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        self.input.bytes() + self.recurrent.bytes()
    }

    /// Scans a batch of sequences from the initial states `state`, which are replaced by the final states. Writes the
    /// hidden states of all time steps to `into`, `[T, B, P]`; they are zero where a row has ended.
    ///
    /// On one thread, a call with the layer, batch size and number of time steps of the last call with this workspace
    /// does not allocate, unless the batch has lengths.
    ///
    /// # Panics
    /// If a slice has the wrong size.
    pub fn forward(
        &self,
        threads: usize,
        sequences: SequenceBatch<'_>,
        state: &mut [f32],
        into: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let SequenceBatch { time, batch, lengths, x } = sequences;
        let Self { hidden, output, reverse, .. } = *self;
        assert_eq!(x.len(), time * batch * self.inputs(), "x: [T, B, I]");
        assert_eq!(state.len(), self.state_len(batch), "state: [B, P] and [B, H]");
        assert_eq!(into.len(), time * batch * output, "into: [T, B, P]");
        Sequences { time, batch, hidden, output, reverse, lengths }.check();
        let max_steps = (MAX_CHUNK_VALUES / (batch * self.input.outputs()).max(1)).max(1);
        let chunks = time.div_ceil(max_steps);
        for n in 0..chunks {
            let n = if reverse { chunks - 1 - n } else { n };
            let (start, end) = (n * max_steps, time.min((n + 1) * max_steps));
            let into = &mut into[start * batch * output..end * batch * output];
            let x = &x[start * batch * self.inputs()..end * batch * self.inputs()];
            workspace.lengths.clear();
            workspace.lengths.extend(lengths.unwrap_or_default().iter().map(|len| len.clamp(&start, &end) - start));
            if lengths.is_some() && workspace.lengths.iter().all(|length| *length == 0) {
                into.fill(0.0);
                continue;
            }
            let size = [end - start, batch];
            self.forward_chunk(threads, size, lengths.is_some(), x, state, into, workspace);
        }
    }

    #[allow(clippy::too_many_arguments)] // those of `forward`
    fn forward_chunk(
        &self,
        threads: usize,
        [time, batch]: [usize; 2],
        is_ragged: bool,
        x: &[f32],
        state: &mut [f32],
        into: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let Self { hidden, output, reverse, ref kernel, isa, .. } = *self;
        let Workspace { gates, states, lengths, cached } = workspace;
        let spec = kernel.spec();
        let sequences = Sequences { time, batch, hidden, output, reverse, lengths: is_ragged.then_some(&lengths[..]) };
        let plan = match plan(spec, threads, &sequences, isa.run(BlockRows(self.recurrent.gates.tile))) {
            Plan::IndependentUnits(threads) => Plan::Units(threads), // with a barrier after the input projection
            plan => plan,
        };
        let key = (plan, batch, self.id);
        if is_ragged || cached.as_ref().is_none_or(|(last, ..)| *last != key) {
            let task = |thread: usize| self.recurrent.task(spec, plan, thread, &sequences);
            let new_state = |thread: usize| Mutex::new(ThreadState { task: task(thread), rows: Vec::new() });
            let thread_states = (0..plan.threads()).map(new_state).collect();
            let scratch = Scratch::new(spec, &sequences, &self.recurrent, false);
            *cached = Some((key, scratch, thread_states));
        }
        let Some((_, scratch, thread_states)) = cached else { unreachable!("it was just set") };
        gates.resize(time * batch * spec.gates * hidden, 0.0);
        states.resize(sequences.state_len(spec.states, time), 0.0);

        let from = Forward {
            sequences,
            input: &[],
            weights: &[],
            bias: self.recurrent_norm.as_ref().and_then(|norm| norm.bias.as_deref()),
            state,
            variant: ScanOptions {
                norm: self.recurrent_norm.as_ref().map(OwnedLayerNorm::get),
                zoneout: self.zoneout.map(Zoneout::Rates),
                ..ScanOptions::default()
            },
        };
        let (product, all_states, scratch) = (SharedPtr::new(gates), SharedPtr::new(states), scratch.shared());
        let count = gates.len();
        plan.run(|thread, barrier| {
            let mut thread_state = thread_states[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let ThreadState { task, rows } = &mut *thread_state;
            // SAFETY: each thread writes its own rows, or its own tiles of all rows; no thread reads them before the
            // barrier.
            let input = unsafe {
                self.input_projection(plan, thread, barrier, &sequences, x, product, task, rows);
                std::slice::from_raw_parts(product.at(0), count)
            };
            let from = Forward { input, ..from };
            kernel.scan(ScanArgs {
                isa,
                from,
                weights: &self.recurrent,
                scratch,
                states: all_states,
                saved: None,
                task,
                barrier,
            });
        });

        let last = sequences.time_at(time - 1);
        for n in 0..spec.states {
            let width = if n == 0 { output } else { hidden };
            let from = &states[sequences.offset(n, time, last, 0)..][..batch * width];
            state[sequences.offset(n, 1, 0, 0)..][..batch * width].copy_from_slice(from);
        }
        into.copy_from_slice(&states[..into.len()]);
        for (row, length) in sequences.lengths.unwrap_or_default().iter().enumerate() {
            for t in *length..time {
                into[(t * batch + row) * output..][..output].fill(0.0);
            }
        }
    }

    /// Computes a thread's part of the input projection.
    ///
    /// # Safety
    /// `product` has the size of the chunk, and no other thread accesses this thread's rows and tiles of it.
    #[allow(clippy::too_many_arguments)]
    unsafe fn input_projection(
        &self,
        plan: Plan,
        thread: usize,
        barrier: &Barrier,
        sequences: &Sequences<'_>,
        x: &[f32],
        product: SharedPtr,
        task: &ThreadTask,
        rows: &mut Vec<usize>,
    ) {
        let Sequences { time, batch, .. } = *sequences;
        rows.clear();
        for t in 0..time {
            rows.extend(task.rows.iter().filter(|row| sequences.is_active(**row, t)).map(|row| t * batch + row));
        }
        let (index, chunks) = plan.unit_chunk(thread);
        let width = self.input.outputs();
        // SAFETY: as the caller promises; a barrier separates the products from the normalization of whole rows.
        unsafe {
            let (from, into) = (StridedRows::from_slice(x, self.inputs()), StridedRows::at(product, 0, width));
            self.input.multiply(self.input.chunk(index, chunks), rows, from, into);
            barrier.wait();
            if let Some(norm) = &self.input_norm {
                for row in rows.iter().skip(index).step_by(chunks) {
                    let row = std::slice::from_raw_parts_mut(into.row(*row), width);
                    self.isa.run(NormAndBias { row, saved: None, bias: norm.bias.as_deref(), norm: Some(norm.get()) });
                }
                barrier.wait();
            }
        }
    }
}
