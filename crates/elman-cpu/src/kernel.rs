//! A cell with its compiled kernels, behind a type-erased interface.

use std::{fmt, sync::Arc};

use crate::{
    Backward, BackwardInto, Isa,
    backward::scan_backward,
    cell::{Activation, Gru, GruResetBefore, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Rnn},
    forward::{Scan, ScanArgs},
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
pub struct Kernel(Arc<dyn ErasedCell>);

impl Kernel {
    /// The kernels of a custom cell. They are compiled in the calling crate; those of the built-in cells are compiled
    /// once, with this crate.
    ///
    /// # Panics
    /// If the number of gates is not in `1..=MAX_GATES`, that of states not in `1..=MAX_STATES`, that of saved values
    /// above `MAX_GATES`, or if all gates are candidate gates, or if a cell without a recurrent product has candidate
    /// gates.
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
            "{cell:?}: a cell without a recurrent product cannot have candidate gates"
        );
        Self(Arc::new(cell))
    }

    /// The Elman RNN cell.
    pub fn rnn(activation: Activation) -> Self {
        Self::new(Rnn(activation))
    }

    /// The GRU with the reset gate applied after the recurrent product.
    pub fn gru() -> Self {
        Self::new(Gru)
    }

    /// The GRU with the reset gate applied before the recurrent product.
    pub fn gru_reset_before() -> Self {
        Self::new(GruResetBefore)
    }

    /// The LSTM.
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
        self.0.spec().gates
    }

    /// States per unit.
    pub fn states(&self) -> usize {
        self.0.spec().states
    }

    /// Whether the cell has a recurrent product. Without one it has neither recurrent weights nor a recurrent bias.
    pub fn is_recurrent(&self) -> bool {
        self.0.spec().recurrent
    }

    /// Whether the hidden state can be projected.
    pub fn has_projection(&self) -> bool {
        let spec = self.0.spec();
        spec.recurrent && !spec.uses_prev_hidden && spec.candidate_gates == 0
    }

    /// Rows of the recurrent weights and of the recurrent bias.
    pub fn recurrent_rows(&self, hidden: usize) -> usize {
        if self.is_recurrent() { self.gates() * hidden } else { 0 }
    }

    pub(crate) fn spec(&self) -> CellSpec {
        self.0.spec()
    }

    pub(crate) fn scan(&self, args: ScanArgs<'_>) {
        self.0.scan(args);
    }

    pub(crate) fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
        self.0.backward(isa, threads, from, into);
    }
}

impl fmt::Debug for Kernel {
    /// Formats the cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The constants of a [`Pointwise`] cell.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CellSpec {
    pub gates: usize,
    pub states: usize,
    pub saved: usize,
    pub candidate_gates: usize,
    pub recurrent: bool,
    pub uses_prev_hidden: bool,
    pub uses_output: bool,
}

impl CellSpec {
    pub const fn new<C: Pointwise>() -> Self {
        Self {
            gates: C::GATES,
            states: C::STATES,
            saved: C::SAVED,
            candidate_gates: C::CANDIDATE_GATES,
            recurrent: C::RECURRENT,
            uses_prev_hidden: C::USES_PREV_HIDDEN,
            uses_output: C::USES_OUTPUT,
        }
    }

    /// Gates whose recurrent product is that of the hidden state.
    pub fn non_candidate_gates(self) -> usize {
        self.gates - self.candidate_gates
    }
}

/// A type-erased cell.
trait ErasedCell: fmt::Debug + Send + Sync {
    fn spec(&self) -> CellSpec;
    fn scan(&self, args: ScanArgs<'_>);
    fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>);
}

impl<C: Pointwise> ErasedCell for C {
    fn spec(&self) -> CellSpec {
        CellSpec::new::<C>()
    }

    fn scan(&self, args: ScanArgs<'_>) {
        args.isa.run(Scan { cell: *self, args });
    }

    fn backward(&self, isa: Isa, threads: usize, from: Backward<'_>, into: BackwardInto<'_>) {
        scan_backward(*self, isa, threads, from, into);
    }
}
