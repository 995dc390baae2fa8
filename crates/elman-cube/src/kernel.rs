use std::{fmt, marker::PhantomData, sync::Arc};

use crate::{
    Buffer, Gradients, ScanArgs, ScanOptions, ScanOutput, Sequences, backward,
    cell::{
        CellConstants, Gru, GruResetBefore, Linear, Lstm, MAX_GATES, MAX_STATES, MinGru, MinLstm, Pointwise, Relu, Rnn,
        Tanh,
    },
    forward,
    layout::AuxLayout,
    linear,
};

/// Storage buffers that the largest kernel (backward) binds.
pub const MAX_BUFFERS: u32 = 24;

/// The kernels of one cell.
///
/// ```
/// let kernel = elman_cube::Kernel::lstm();
/// assert_eq!((kernel.gates(), kernel.states()), (4, 2));
/// ```
#[derive(Clone)]
pub struct Kernel(Arc<dyn ErasedCell>);

impl Kernel {
    /// The kernels of a custom cell. They are compiled for a device at their first launch.
    ///
    /// # Panics
    /// If the number of gates is not in `1..=MAX_GATES`, that of states not in `1..=MAX_STATES`, that of saved values
    /// above `MAX_GATES`, or if all gates are candidate gates.
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
        Self(Arc::new(RecurrentCell::<C>(PhantomData)))
    }

    /// The kernels of a custom cell without a recurrent product. They process segments of time in parallel.
    ///
    /// # Panics
    /// If the number of gates is not in `1..=MAX_GATES`, that of states not 1, or that of saved values above
    /// `MAX_GATES`.
    pub fn linear<C: Linear>() -> Self {
        let name = std::any::type_name::<C>();
        assert!((1..=MAX_GATES).contains(&C::GATES), "{name}: GATES = {} must be 1..={MAX_GATES}", C::GATES);
        assert!(C::STATES == 1, "{name}: STATES = {} must be 1 for a linear cell", C::STATES);
        assert!(C::SAVED <= MAX_GATES, "{name}: SAVED = {} must be at most {MAX_GATES}", C::SAVED);
        Self(Arc::new(LinearCell::<C>(PhantomData)))
    }

    /// The Elman RNN cell with tanh.
    pub fn rnn_tanh() -> Self {
        Self::new::<Rnn<Tanh>>()
    }

    /// The Elman RNN cell with ReLU.
    pub fn rnn_relu() -> Self {
        Self::new::<Rnn<Relu>>()
    }

    /// The GRU with the reset gate applied after the recurrent product.
    pub fn gru() -> Self {
        Self::new::<Gru>()
    }

    /// The GRU with the reset gate applied before the recurrent product.
    pub fn gru_reset_before() -> Self {
        Self::new::<GruResetBefore>()
    }

    /// The LSTM.
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
        self.0.spec().gates
    }

    /// States per unit.
    pub fn states(&self) -> usize {
        self.0.spec().states
    }

    /// Whether the cell has a recurrent product. If not, it has no recurrent weights, bias, gain or dropout.
    pub fn is_recurrent(&self) -> bool {
        self.0.spec().recurrent
    }

    /// Whether the cell supports a projection of the hidden state.
    pub fn has_projection(&self) -> bool {
        let spec = self.0.spec();
        spec.recurrent && !spec.uses_prev_hidden && spec.candidate_gates == 0
    }

    /// Number of candidate gates: the last gates, if their recurrent product is taken of something other than the
    /// hidden state.
    pub fn candidate_gates(&self) -> usize {
        self.0.spec().candidate_gates
    }

    /// The offset in [`ScanOutput::kept`] of the hidden states that the cell returned, before projection and zoneout,
    /// `[T, B, H]`; `None` if they are not stored.
    pub fn unprojected_offset(&self, scan: ScanArgs<'_>) -> Option<usize> {
        AuxLayout::new(self.0.spec(), scan.sequences, scan.operands.options(), true).unprojected
    }

    /// Number of values that forward stores for backward: in [`ScanOutput::saved`] and in [`ScanOutput::kept`].
    pub fn kept(&self, sequences: &Sequences, options: ScanOptions) -> [usize; 2] {
        let spec = self.0.spec();
        [sequences.saved_len(spec), AuxLayout::new(spec, sequences, options, true).len]
    }

    /// Runs the scan on the input projection `[T, B, G·H]`, and stores what backward needs if `saves` is set. Does not
    /// wait for the device.
    ///
    /// # Panics
    /// If a buffer has the wrong length or dtype, the cell does not support an operand, or the device does not support
    /// the sizes.
    pub fn forward(&self, scan: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
        scan.check(self.0.spec(), input);
        self.0.forward(scan, input, saves)
    }

    /// The backward pass of [`forward`](Self::forward) with `saves`. `gradient` is the gradient with respect to the
    /// states.
    ///
    /// # Panics
    /// If a buffer of `outputs` or `gradient` has the wrong length.
    pub fn backward(&self, scan: ScanArgs<'_>, outputs: &ScanOutput, gradient: &Buffer) -> Gradients {
        scan.check_backward(self.0.spec(), outputs, gradient);
        self.0.backward(scan, outputs, gradient)
    }
}

impl fmt::Debug for Kernel {
    /// Formats the cell.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The constants of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct CellSpec {
    pub gates: usize,
    pub states: usize,
    pub saved: usize,
    pub candidate_gates: usize,
    pub separate_recurrent_grad: bool,
    pub recurrent: bool,
    pub uses_prev_hidden: bool,
    pub uses_output: bool,
}

impl CellSpec {
    pub fn new<C: CellConstants>() -> Self {
        Self {
            gates: C::GATES,
            states: C::STATES,
            saved: C::SAVED,
            candidate_gates: C::CANDIDATE_GATES,
            separate_recurrent_grad: C::SEPARATE_RECURRENT_GRAD,
            recurrent: true,
            uses_prev_hidden: C::USES_PREV_HIDDEN,
            uses_output: C::USES_OUTPUT,
        }
    }
}

/// A type-erased cell.
trait ErasedCell: fmt::Debug + Send + Sync {
    fn spec(&self) -> CellSpec;
    fn forward(&self, scan: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput;
    fn backward(&self, scan: ScanArgs<'_>, outputs: &ScanOutput, gradient: &Buffer) -> Gradients;
}

/// A cell with a recurrent product.
struct RecurrentCell<C>(PhantomData<C>);

/// A cell without a recurrent product.
struct LinearCell<C>(PhantomData<C>);

macro_rules! impl_erased_cell {
    ($wrapper:ident, $cell:ident, $recurrent:expr, $forward:path, $backward:path) => {
        impl<C: $cell> fmt::Debug for $wrapper<C> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(std::any::type_name::<C>())
            }
        }

        impl<C: $cell> ErasedCell for $wrapper<C> {
            fn spec(&self) -> CellSpec {
                CellSpec { recurrent: $recurrent, ..CellSpec::new::<C>() }
            }

            fn forward(&self, scan: ScanArgs<'_>, input: &Buffer, saves: bool) -> ScanOutput {
                $forward(scan, input, saves)
            }

            fn backward(&self, scan: ScanArgs<'_>, outputs: &ScanOutput, gradient: &Buffer) -> Gradients {
                $backward(scan, outputs, gradient)
            }
        }
    };
}

impl_erased_cell!(RecurrentCell, Pointwise, true, forward::scan_forward::<C>, backward::scan_backward::<C>);
impl_erased_cell!(LinearCell, Linear, false, linear::forward::<C>, linear::backward::<C>);
