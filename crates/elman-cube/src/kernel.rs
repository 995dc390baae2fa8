use std::{fmt, marker::PhantomData, sync::Arc};

use crate::{
    Buffer, Gradients, ScanArgs, ScanOptions, ScanOutput, Sequences, backward,
    cell::{
        Counts, Gru, GruResetBefore, Linear, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Relu, Rnn, Tanh,
    },
    forward,
    layout::AuxLayout,
    linear,
};

/// How many buffers a device has to give a kernel, at most: walking back has the most.
pub const MAX_BUFFERS: u32 = 24;

/// The kernels of one cell.
///
/// ```
/// let kernel = elman_cube::Kernel::lstm();
/// assert_eq!((kernel.gates(), kernel.states()), (4, 2));
/// ```
#[derive(Clone)]
pub struct Kernel(Arc<dyn Walks>);

impl Kernel {
    /// The kernels of a cell of one's own. They are compiled on each device when they are launched first.
    ///
    /// # Panics
    /// If the cell has more gates or states than the kernels have room for, none of them, or late gates only.
    pub fn new<C: Pointwise>() -> Self {
        let name = std::any::type_name::<C>();
        assert!((1..=MAX_GATES).contains(&C::GATES), "{name}: GATES = {} must be 1..={MAX_GATES}", C::GATES);
        assert!((1..=MAX_STATES).contains(&C::STATES), "{name}: STATES = {} must be 1..={MAX_STATES}", C::STATES);
        assert!(C::SAVED <= MAX_GATES, "{name}: SAVED = {} must be at most {MAX_GATES}", C::SAVED);
        assert!(
            C::CANDIDATE_GATES < C::GATES,
            "{name}: CANDIDATE_GATES = {} must be less than the {} gates",
            C::CANDIDATE_GATES,
            C::GATES
        );
        Self(Arc::new(OfRecurrent::<C>(PhantomData)))
    }

    /// The kernels of a cell of one's own without a recurrent product. They go through all time steps at once.
    ///
    /// # Panics
    /// If the cell has more gates than the kernels have room for, none of them, or not one state.
    pub fn linear<C: Linear>() -> Self {
        let name = std::any::type_name::<C>();
        assert!((1..=MAX_GATES).contains(&C::GATES), "{name}: GATES = {} must be 1..={MAX_GATES}", C::GATES);
        assert!(C::STATES == 1, "{name}: STATES = {} must be 1 of a linear cell", C::STATES);
        assert!(C::SAVED <= MAX_GATES, "{name}: SAVED = {} must be at most {MAX_GATES}", C::SAVED);
        Self(Arc::new(OfLinear::<C>(PhantomData)))
    }

    /// The simple recurrent cell with the hyperbolic tangent.
    pub fn rnn_tanh() -> Self {
        Self::new::<Rnn<Tanh>>()
    }

    /// The simple recurrent cell with `max(0, x)`.
    pub fn rnn_relu() -> Self {
        Self::new::<Rnn<Relu>>()
    }

    /// The gated recurrent unit with the reset gate after the product.
    pub fn gru() -> Self {
        Self::new::<Gru>()
    }

    /// The gated recurrent unit with the reset gate before the product.
    pub fn gru_reset_before() -> Self {
        Self::new::<GruResetBefore>()
    }

    /// Long short-term memory.
    pub fn lstm() -> Self {
        Self::new::<Lstm>()
    }

    /// minGRU.
    pub fn min_gru() -> Self {
        Self::linear::<MinGru>()
    }

    /// minLSTM.
    pub fn min_lstm() -> Self {
        Self::linear::<MinLstm>()
    }

    /// Gates per unit.
    pub fn gates(&self) -> usize {
        self.0.counts().gates
    }

    /// States per unit.
    pub fn states(&self) -> usize {
        self.0.counts().states
    }

    /// Whether there is a recurrent product. Without one there are no recurrent weights, bias, gain and dropout.
    pub fn is_recurrent(&self) -> bool {
        self.0.counts().recurrent
    }

    /// Whether the hidden state can be projected.
    pub fn has_projection(&self) -> bool {
        let counts = self.0.counts();
        counts.recurrent && !counts.reads_hidden && counts.late == 0
    }

    /// How many of the last gates have their recurrent product taken of something else than the hidden state.
    pub fn candidate_gates(&self) -> usize {
        self.0.counts().late
    }

    /// Where, in what was [kept](ScanOutput::kept), the hidden states begin that the cell returned, `[T, B, H]`; `None` where they
    /// were not kept.
    pub fn unprojected_offset(&self, walk: ScanArgs<'_>) -> Option<usize> {
        AuxLayout::of(self.0.counts(), walk.sequences, walk.operands.variant(), true).raw
    }

    /// How many numbers a walk keeps for the way back: in what the cell [saves](ScanOutput::saved), and in what is
    /// [kept](ScanOutput::kept) besides.
    pub fn kept(&self, sequences: &Sequences, variant: ScanOptions) -> [usize; 2] {
        let counts = self.0.counts();
        [sequences.saved_len(counts), AuxLayout::of(counts, sequences, variant, true).len]
    }

    /// Walks with the input product `[T, B, G·H]`, keeping what the way back needs if `saves` is set. Nothing waits for the
    /// device.
    ///
    /// # Panics
    /// If a buffer has another length than the sizes ask for, or the cell cannot do what the operands ask for.
    pub fn forward(&self, walk: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
        walk.check(self.0.counts(), input);
        self.0.forward(walk, input, saves)
    }

    /// Walks back what [`forward`](Self::forward) walked and kept. `gradient` is that by its states.
    ///
    /// # Panics
    /// As [`forward`](Self::forward).
    pub fn backward(&self, walk: ScanArgs<'_>, walked: &ScanOutput, gradient: &Buffer) -> Gradients {
        walk.check_back(self.0.counts(), walked, gradient);
        self.0.backward(walk, walked, gradient)
    }
}

impl fmt::Debug for Kernel {
    /// The cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The constants of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Counted {
    pub gates: usize,
    pub states: usize,
    pub saved: usize,
    pub late: usize,
    pub split: bool,
    pub recurrent: bool,
    pub reads_hidden: bool,
    pub reads_output: bool,
}

impl Counted {
    pub fn of<C: Counts>() -> Self {
        Self {
            gates: C::GATES,
            states: C::STATES,
            saved: C::SAVED,
            late: C::CANDIDATE_GATES,
            split: C::SEPARATE_RECURRENT_GRAD,
            recurrent: true,
            reads_hidden: C::USES_PREV_HIDDEN,
            reads_output: C::USES_OUTPUT,
        }
    }
}

/// A cell behind a pointer.
trait Walks: fmt::Debug + Send + Sync {
    fn counts(&self) -> Counted;
    fn forward(&self, walk: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput;
    fn backward(&self, walk: ScanArgs<'_>, walked: &ScanOutput, gradient: &Buffer) -> Gradients;
}

/// A cell with a recurrent product.
struct OfRecurrent<C>(PhantomData<C>);

/// A cell without.
struct OfLinear<C>(PhantomData<C>);

macro_rules! walks {
    ($of:ident, $cell:ident, $recurrent:expr, $forward:path, $backward:path) => {
        impl<C: $cell> fmt::Debug for $of<C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::any::type_name::<C>())
            }
        }

        impl<C: $cell> Walks for $of<C> {
            fn counts(&self) -> Counted {
                Counted { recurrent: $recurrent, ..Counted::of::<C>() }
            }

            fn forward(&self, walk: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
                $forward(walk, input, saves)
            }

            fn backward(&self, walk: ScanArgs<'_>, walked: &ScanOutput, gradient: &Buffer) -> Gradients {
                $backward(walk, walked, gradient)
            }
        }
    };
}

walks!(OfRecurrent, Pointwise, true, forward::walk::<C>, backward::walk::<C>);
walks!(OfLinear, Linear, false, linear::forward::<C>, linear::backward::<C>);
