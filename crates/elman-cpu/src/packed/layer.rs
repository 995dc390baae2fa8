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
    forward::{Part, Scratch, Unpacked, Walking, Weights, plan},
    linear::Finish,
    product::RowsThatFit,
    team::{Barrier, Plan, Shared, Slab},
};

/// The weights of one recurrent layer in one direction, as they are before they are packed.
///
/// Legend: `T` time, `B` batch, `G` gates, `H` hidden units, `P` outputs, `I` inputs.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<'a> {
    /// `I`
    pub width: usize,
    /// `H`
    pub hidden: usize,
    /// `P`: `H` unless the hidden state is projected.
    pub output: usize,
    /// What the input is multiplied with, `[G·H, I]`.
    pub input: &'a [f32],
    /// `[G·H]`
    pub input_bias: Option<&'a [f32]>,
    /// Layer normalisation of the input product, before its bias.
    pub input_norm: Option<LayerNorm<'a>>,
    /// What the hidden state is multiplied with, `[G·H, P]`; empty if the cell is not [recurrent](Kernel::is_recurrent).
    pub recurrent: &'a [f32],
    /// `[G·H]`
    pub recurrent_bias: Option<&'a [f32]>,
    /// Layer normalisation of the recurrent product, before its bias.
    pub recurrent_norm: Option<LayerNorm<'a>>,
    /// `[P, H]`
    pub projection: Option<&'a [f32]>,
    /// How much of each state stays as it was.
    pub zoneout: Option<[f32; 2]>,
}

/// One recurrent layer in one direction whose weights are packed once, for inference.
///
/// A long sequence is walked piece by piece: the input product of a piece is still in the cache when the recurrence reads it,
/// and the memory needed besides the result does not depend on the number of time steps.
pub struct PackedLayer {
    /// No other layer of this process has it.
    id: usize,
    kernel: Kernel,
    isa: Isa,
    reverse: bool,
    hidden: usize,
    output: usize,
    input: PackedLinear,
    /// Where the input product is normalised before its bias is added.
    input_norm: Option<OwnNorm>,
    recurrent: Weights,
    recurrent_norm: Option<OwnNorm>,
    zoneout: Option<[f32; 2]>,
}

impl fmt::Debug for PackedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kernel, reverse, hidden, output, .. } = self;
        write!(f, "PackedLayer({kernel:?}, {} → {hidden} → {output}, reverse: {reverse})", self.inputs())
    }
}

struct OwnNorm {
    gain: Vec<f32>,
    epsilon: f32,
    bias: Option<Vec<f32>>,
}

impl OwnNorm {
    fn of(norm: Option<LayerNorm<'_>>, bias: Option<&[f32]>) -> Option<Self> {
        norm.map(|LayerNorm { gain, epsilon }| Self { gain: gain.into(), epsilon, bias: bias.map(<[f32]>::to_vec) })
    }

    fn get(&self) -> LayerNorm<'_> {
        LayerNorm { gain: &self.gain, epsilon: self.epsilon }
    }
}

/// What is walked.
#[derive(Clone, Copy, Debug)]
pub struct SequenceBatch<'a> {
    /// `T`
    pub time: usize,
    /// `B`
    pub batch: usize,
    /// How many time steps each row has; all of them without.
    pub lengths: Option<&'a [usize]>,
    /// The input, `[T, B, I]`.
    pub x: &'a [f32],
}

/// Memory that a walk needs besides its result; the next walk uses it again. It fits any layer, one at a time.
#[derive(Default)]
pub struct Workspace {
    /// The input product of a piece, `[t, B, G·H]`.
    gates: Vec<f32>,
    /// The states of a piece.
    states: Vec<f32>,
    /// The lengths of the rows of a piece.
    lengths: Vec<usize>,
    /// What the walk remembers of a time step, and each thread's share, for the layer that was walked last.
    planned: Option<(Key, Scratch, Vec<Mutex<Share>>)>,
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").finish_non_exhaustive()
    }
}

/// What a plan depends on: how the work is shared, the batch, the layer.
type Key = (Plan, usize, usize);

struct Share {
    part: Part,
    /// Rows of the input product.
    rows: Vec<usize>,
}

/// Numbers of a piece's input product, so that it stays in the cache.
const PIECE: usize = 1 << 19;

impl PackedLayer {
    /// Packs the weights of a layer that walks from the first time step to the last, or the other way if `reverse` is set.
    ///
    /// # Panics
    /// If a slice has another size, or the cell has no such variant.
    pub fn new(kernel: Kernel, isa: Isa, precision: WeightDtype, reverse: bool, from: LayerWeights<'_>) -> Self {
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
        assert_eq!(
            from.projection.map_or(hidden, |_| output),
            output,
            "outputs without a projection: as many as units"
        );
        assert_eq!(
            from.projection.map_or(0, <[f32]>::len),
            from.projection.map_or(0, |_| output * hidden),
            "projection"
        );

        let input_bias = from.input_bias.filter(|_| from.input_norm.is_none());
        let unpacked = Unpacked {
            hidden,
            output,
            weights: from.recurrent,
            bias: from.recurrent_bias,
            projection: from.projection,
            is_normalised: from.recurrent_norm.is_some(),
        };
        static MADE: AtomicUsize = AtomicUsize::new(0);
        Self {
            id: MADE.fetch_add(1, Ordering::Relaxed),
            recurrent: Weights::pack(kernel.counts(), isa, precision, unpacked),
            kernel,
            isa,
            reverse,
            hidden,
            output,
            input: PackedLinear::new(isa, precision, from.input, input_bias, width),
            input_norm: OwnNorm::of(from.input_norm, from.input_bias),
            recurrent_norm: OwnNorm::of(from.recurrent_norm, from.recurrent_bias),
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

    /// Numbers of the state of so many rows: `[B, P]` and then, of a second state, `[B, H]`.
    pub fn state_len(&self, batch: usize) -> usize {
        batch * (self.output + (self.kernel.states() - 1) * self.hidden)
    }

    /// Multiplications with weights in a time step of one row.
    pub fn products(&self) -> usize {
        let recurrent = self.kernel.recurrent_rows(self.hidden) * self.output;
        let projection = if self.recurrent.projection.is_some() { self.output * self.hidden } else { 0 };
        self.input.outputs() * self.inputs() + recurrent + projection
    }

    /// Bytes of the packed weights.
    pub fn bytes(&self) -> usize {
        self.input.bytes() + self.recurrent.bytes()
    }

    /// Walks `steps` from `state`, which becomes the state after them. Writes the hidden state of every time step to `into`,
    /// `[T, B, P]`: zero where a row has ended.
    ///
    /// A walk as long and as wide as the last one in this workspace allocates nothing on one thread, unless it has lengths.
    ///
    /// # Panics
    /// If a slice has another size.
    pub fn forward(
        &self,
        threads: usize,
        steps: SequenceBatch<'_>,
        state: &mut [f32],
        into: &mut [f32],
        workspace: &mut Workspace,
    ) {
        let SequenceBatch { time, batch, lengths, x } = steps;
        let Self { hidden, output, reverse, .. } = *self;
        assert_eq!(x.len(), time * batch * self.inputs(), "x: [T, B, I]");
        assert_eq!(state.len(), self.state_len(batch), "state: [B, P] and [B, H]");
        assert_eq!(into.len(), time * batch * output, "into: [T, B, P]");
        Sequences { time, batch, hidden, output, reverse, lengths }.check();
        let most = (PIECE / (batch * self.input.outputs()).max(1)).max(1);
        let pieces = time.div_ceil(most);
        for n in 0..pieces {
            let n = if reverse { pieces - 1 - n } else { n };
            let (start, end) = (n * most, time.min((n + 1) * most));
            let into = &mut into[start * batch * output..end * batch * output];
            let x = &x[start * batch * self.inputs()..end * batch * self.inputs()];
            workspace.lengths.clear();
            workspace.lengths.extend(lengths.unwrap_or_default().iter().map(|len| len.clamp(&start, &end) - start));
            if lengths.is_some() && workspace.lengths.iter().all(|length| *length == 0) {
                into.fill(0.0);
                continue;
            }
            let steps = [end - start, batch];
            self.piece(threads, steps, lengths.is_some(), x, state, into, workspace);
        }
    }

    #[allow(clippy::too_many_arguments)] // of `forward`
    fn piece(
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
        let Workspace { gates, states, lengths, planned } = workspace;
        let counts = kernel.counts();
        let sequences = Sequences { time, batch, hidden, output, reverse, lengths: is_ragged.then_some(&lengths[..]) };
        let plan = match plan(counts, threads, &sequences, isa.run(RowsThatFit(self.recurrent.early.tile))) {
            Plan::Apart(threads) => Plan::Units(threads), // they meet after the input product
            plan => plan,
        };
        let key = (plan, batch, self.id);
        if is_ragged || planned.as_ref().is_none_or(|(last, ..)| *last != key) {
            let part = |thread: usize| self.recurrent.part(counts, plan, thread, &sequences);
            let shares = (0..plan.threads()).map(|thread| Mutex::new(Share { part: part(thread), rows: Vec::new() }));
            let scratch = Scratch::new(counts, &sequences, &self.recurrent, false);
            *planned = Some((key, scratch, shares.collect()));
        }
        let Some((_, scratch, shares)) = planned else { unreachable!("it was just set") };
        gates.resize(time * batch * counts.gates * hidden, 0.0);
        states.resize(sequences.state_len(counts.states, time), 0.0);

        let from = Forward {
            sequences,
            input: &[],
            weights: &[],
            bias: self.recurrent_norm.as_ref().and_then(|norm| norm.bias.as_deref()),
            state,
            variant: ScanOptions {
                norm: self.recurrent_norm.as_ref().map(OwnNorm::get),
                zoneout: self.zoneout.map(Zoneout::Rates),
                ..ScanOptions::default()
            },
        };
        let (product, walked, memory) = (Shared::new(gates), Shared::new(states), scratch.shared());
        let count = gates.len();
        plan.run(|thread, barrier| {
            let mut share = shares[thread].lock().unwrap_or_else(PoisonError::into_inner);
            let Share { part, rows } = &mut *share;
            // SAFETY: each thread has its own rows, or its own tiles of all rows; nobody reads them before all have met.
            let input = unsafe {
                self.multiply(plan, thread, barrier, &sequences, x, product, part, rows);
                std::slice::from_raw_parts(product.at(0), count)
            };
            let from = Forward { input, ..from };
            kernel.walk(Walking {
                isa,
                from,
                weights: &self.recurrent,
                memory,
                states: walked,
                saved: None,
                part,
                barrier,
            });
        });

        let last = sequences.at(time - 1);
        for n in 0..counts.states {
            let width = if n == 0 { output } else { hidden };
            let from = &states[sequences.place(n, time, last, 0)..][..batch * width];
            state[sequences.place(n, 1, 0, 0)..][..batch * width].copy_from_slice(from);
        }
        into.copy_from_slice(&states[..into.len()]);
        for (row, length) in sequences.lengths.unwrap_or_default().iter().enumerate() {
            for t in *length..time {
                into[(t * batch + row) * output..][..output].fill(0.0);
            }
        }
    }

    /// A thread's part of the input product.
    ///
    /// # Safety
    /// `product` has the size of the piece, and nobody else looks at this thread's rows and tiles of it.
    #[allow(clippy::too_many_arguments)]
    unsafe fn multiply(
        &self,
        plan: Plan,
        thread: usize,
        barrier: &Barrier,
        sequences: &Sequences<'_>,
        x: &[f32],
        product: Shared,
        part: &Part,
        rows: &mut Vec<usize>,
    ) {
        let Sequences { time, batch, .. } = *sequences;
        rows.clear();
        for t in 0..time {
            rows.extend(part.rows.iter().filter(|row| sequences.is_active(**row, t)).map(|row| t * batch + row));
        }
        let (tile, tiles) = plan.part(thread);
        let width = self.input.outputs();
        // SAFETY: as the caller promises; the threads meet before one normalises what others have multiplied.
        unsafe {
            let (from, into) = (Slab::of(x, self.inputs()), Slab::at(product, 0, width));
            self.input.multiply(self.input.share(tile, tiles), rows, from, into);
            barrier.wait();
            if let Some(norm) = &self.input_norm {
                for row in rows.iter().skip(tile).step_by(tiles) {
                    let row = std::slice::from_raw_parts_mut(into.row(*row), width);
                    self.isa.run(Finish { row, saved: None, bias: norm.bias.as_deref(), norm: Some(norm.get()) });
                }
                barrier.wait();
            }
        }
    }
}
