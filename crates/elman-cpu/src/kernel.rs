//! A cell and everything that walks it.

use std::{fmt, sync::Arc};

use crate::{
    Backward, BackwardInto, Isa,
    backward::walk_back,
    cell::{Activation, Gru, GruResetBefore, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Rnn},
    forward::{Walk, Walking},
};

/// The kernels of one cell, compiled for every instruction set.
///
/// ```
/// use elman_cpu::Kernel;
///
/// let kernel = Kernel::lstm();
/// assert_eq!((kernel.gates(), kernel.states()), (4, 2));
/// ```
#[derive(Clone)]
pub struct Kernel(Arc<dyn Walks>);

impl Kernel {
    /// The kernels of a cell of one's own. They are compiled where this is called; the others of this crate are compiled
    /// once, with it.
    ///
    /// # Panics
    /// If the cell has more gates or states than the kernels have room for, none of them, or late gates only.
    pub fn new<C: Pointwise>(cell: C) -> Self {
        assert!((1..=MAX_GATES).contains(&C::GATES), "{cell:?}: GATES = {} must be 1..={MAX_GATES}", C::GATES);
        assert!((1..=MAX_STATES).contains(&C::STATES), "{cell:?}: STATES = {} must be 1..={MAX_STATES}", C::STATES);
        assert!(C::SAVED <= MAX_GATES, "{cell:?}: SAVED = {} must be at most {MAX_GATES}", C::SAVED);
        assert!(
            C::CANDIDATE_GATES < C::GATES,
            "{cell:?}: CANDIDATE_GATES = {} must be less than the {} gates",
            C::CANDIDATE_GATES,
            C::GATES
        );
        assert!(
            C::RECURRENT || C::CANDIDATE_GATES == 0,
            "{cell:?}: without a recurrent product there are no late gates"
        );
        Self(Arc::new(cell))
    }

    /// The simple recurrent cell.
    pub fn rnn(activation: Activation) -> Self {
        Self::new(Rnn(activation))
    }

    /// The gated recurrent unit with the reset gate after the product.
    pub fn gru() -> Self {
        Self::new(Gru)
    }

    /// The gated recurrent unit with the reset gate before the product.
    pub fn gru_reset_before() -> Self {
        Self::new(GruResetBefore)
    }

    /// Long short-term memory.
    pub fn lstm() -> Self {
        Self::new(Lstm)
    }

    /// minGRU.
    pub fn min_gru() -> Self {
        Self::new(MinGru)
    }

    /// minLSTM.
    pub fn min_lstm() -> Self {
        Self::new(MinLstm)
    }

    /// Gates per unit.
    pub fn gates(&self) -> usize {
        self.0.counts().gates
    }

    /// States per unit.
    pub fn states(&self) -> usize {
        self.0.counts().states
    }

    /// Whether there is a recurrent product. Without one there are no recurrent weights and no recurrent bias.
    pub fn is_recurrent(&self) -> bool {
        self.0.counts().recurrent
    }

    /// Whether the hidden state can be projected.
    pub fn has_projection(&self) -> bool {
        let counts = self.0.counts();
        counts.recurrent && !counts.reads_hidden && counts.late == 0
    }

    /// Rows of the recurrent weights, and of their bias.
    pub fn recurrent_rows(&self, hidden: usize) -> usize {
        if self.is_recurrent() { self.gates() * hidden } else { 0 }
    }

    pub(crate) fn counts(&self) -> Counts {
        self.0.counts()
    }

    pub(crate) fn walk(&self, walking: Walking<'_>) {
        self.0.walk(walking);
    }

    pub(crate) fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
        self.0.backward(isa, threads, from, into);
    }
}

impl fmt::Debug for Kernel {
    /// The cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The constants of a cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counts {
    pub gates: usize,
    pub states: usize,
    pub saved: usize,
    pub late: usize,
    pub recurrent: bool,
    pub reads_hidden: bool,
    pub reads_output: bool,
}

impl Counts {
    pub const fn of<C: Pointwise>() -> Self {
        Self {
            gates: C::GATES,
            states: C::STATES,
            saved: C::SAVED,
            late: C::CANDIDATE_GATES,
            recurrent: C::RECURRENT,
            reads_hidden: C::USES_PREV_HIDDEN,
            reads_output: C::USES_OUTPUT,
        }
    }

    /// Gates whose recurrent product is that of the hidden state.
    pub fn early(self) -> usize {
        self.gates - self.late
    }
}

/// A cell behind a pointer.
trait Walks: fmt::Debug + Send + Sync {
    fn counts(&self) -> Counts;
    fn walk(&self, walking: Walking<'_>);
    fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>);
}

impl<C: Pointwise> Walks for C {
    fn counts(&self) -> Counts {
        Counts::of::<C>()
    }

    fn walk(&self, walking: Walking<'_>) {
        walking.isa.run(Walk { cell: *self, walking });
    }

    fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
        walk_back(*self, isa, threads, from, into);
    }
}
