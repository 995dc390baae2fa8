//! Recurrent cells.
//!
//! A [`Cell`] is the pointwise part of a recurrent layer: it defines its numbers of gates and states, and how one time
//! step computes the next state from the gate inputs and the previous state. The order of time steps, weights, lengths,
//! directions and layers are the responsibility of the scan and of [`Recurrent`](crate::Recurrent).

mod gru;
mod lstm;
mod min;
mod rnn;

use std::fmt::Debug;

use burn::tensor::Tensor;

use crate::scan::Kernel;

pub use gru::{GruCell, Reset};
pub use lstm::LstmCell;
pub use min::{MinGruCell, MinLstmCell};
pub use rnn::RnnCell;

/// The pointwise mathematics of a recurrent cell.
///
/// Legend: `B` batch, `T` time, `H` hidden units. For each time step, the scan computes the input projection
/// `x_t W_ihᵀ + b_ih` and the recurrent product `h_{t-1} W_hhᵀ + b_hh`, both `[B, GATES·H]`, and passes them to
/// [`forward`](Cell::forward).
///
/// A custom cell implements the two constants and `forward`:
///
/// ```
/// use burn::tensor::{Device, Distribution, Tensor, activation::sigmoid};
/// use elman_recurrence::{Cell, RecurrentConfig};
///
/// /// h_t = u ⊙ h_{t-1} + (1 − u) ⊙ tanh(n), the update gate recurrent neural network (Collins et al. 2017).
/// #[derive(Clone, Debug, Default)]
/// struct UgrnnCell;
///
/// impl Cell for UgrnnCell {
///     const GATES: usize = 2;
///     const STATES: usize = 1;
///
///     fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
///         let gates = input + recurrent.expect("this cell has a recurrent product");
///         let [u, n] = gates.chunk(2, 1).try_into().expect("two gates");
///         let (u, n) = (sigmoid(u), n.tanh());
///         vec![u.clone() * state[0].clone() + (-u + 1.0) * n]
///     }
/// }
///
/// let device = Device::flex();
/// let layer = RecurrentConfig::<UgrnnCell>::new(3, 5).with_layers(2).init(&device);
/// let (output, state) = layer.forward(Tensor::random([4, 7, 3], Distribution::Default, &device), None);
/// assert_eq!(output.dims(), [4, 7, 5]);
/// assert_eq!(state.hidden().dims(), [2, 4, 5]);
/// ```
pub trait Cell: Clone + Debug + Send + Sync + 'static {
    /// Gates per hidden unit: `weight_ih` has `GATES·H` rows.
    const GATES: usize;

    /// Number of state tensors; the first is the hidden state `h`, which is the layer's output.
    const STATES: usize;

    /// Whether the cell has a recurrent product `h W_hhᵀ`. Cells without one are linear in their state.
    const RECURRENT: bool = true;

    /// Whether the cell supports a [projection](crate::RecurrentConfig::projection) of the hidden state. If so,
    /// [`forward`](Cell::forward) must not read `state[0]`, which is narrower than the gates.
    const PROJECTION: bool = false;

    /// Whether the recurrent bias occurs only in the sum of input projection and recurrent product, so that it can be
    /// added to the input projection once for all time steps.
    fn biases_can_be_merged(&self) -> bool {
        true
    }

    /// Number of candidate gates: the last gates, whose recurrent product is computed from
    /// [`candidate_input`](Cell::candidate_input) instead of `h_{t-1}`.
    fn candidate_gates(&self) -> usize {
        0
    }

    /// The input of the candidate gates' recurrent product, computed from the other gates.
    ///
    /// # Shapes
    /// - `input`: `[B, GATES·H]`
    /// - `recurrent`: `[B, (GATES − candidate_gates)·H]`
    /// - `state`: `STATES` tensors of `[B, H]`
    /// - returned: `[B, H]`
    fn candidate_input(&self, input: &Tensor<2>, recurrent: &Tensor<2>, state: &[Tensor<2>]) -> Tensor<2> {
        let _ = (input, recurrent);
        state[0].clone()
    }

    /// One time step.
    ///
    /// # Shapes
    /// - `input`: `[B, GATES·H]`, the input projection, including its bias
    /// - `recurrent`: `[B, GATES·H]`, the recurrent product; `None` if and only if [`RECURRENT`](Cell::RECURRENT) is
    ///   false
    /// - `state`: `STATES` tensors of `[B, H]`
    /// - returned: the next state, in the order of `state`
    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>>;

    /// For a cell that is linear in its state, the coefficients of `h_t = decay_t ⊙ h_{t-1} + update_t` of all time
    /// steps; the scan is then parallel over time. With `None`, the default, the scan is sequential.
    ///
    /// # Shapes
    /// - `input`: `[T, B, GATES·H]`
    /// - returned: both `[T, B, H]`
    fn linear(&self, input: Tensor<3>) -> Option<Linear<3>> {
        let _ = input;
        None
    }

    /// The CPU kernel that computes the same as [`forward`](Cell::forward), if there is one. For a custom cell,
    /// implement one time step and its gradients on SIMD registers; lengths, directions, threads and all options of the
    /// scan are then supported.
    ///
    /// ```
    /// use elman_recurrence::kernels::{
    ///     Kernel, Simd,
    ///     cell::{Gates, Gradients, Pointwise, States, Step},
    ///     math::tanh,
    /// };
    ///
    /// /// h' = tanh(x + r). Saves no values: backward needs only the output.
    /// #[derive(Clone, Copy, Debug)]
    /// struct Tanh;
    ///
    /// impl Pointwise for Tanh {
    ///     const GATES: usize = 1;
    ///     const STATES: usize = 1;
    ///     const SAVED: usize = 0;
    ///     const USES_PREV_HIDDEN: bool = false;
    ///     const USES_OUTPUT: bool = true;
    ///
    ///     #[inline(always)]
    ///     fn forward<S: Simd>(
    ///         self,
    ///         s: S,
    ///         input: Gates<S::f32s>,
    ///         recurrent: Gates<S::f32s>,
    ///         _: States<S::f32s>,
    ///     ) -> (States<S::f32s>, Gates<S::f32s>) {
    ///         let zero = s.splat_f32s(0.0);
    ///         ([tanh(s, s.add_f32s(input[0], recurrent[0])), zero], [zero; 4])
    ///     }
    ///
    ///     #[inline(always)]
    ///     fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
    ///         let (y, d_y, zero) = (step.output, step.gradient[0], s.splat_f32s(0.0));
    ///         let gates = [s.mul_f32s(d_y, s.negate_mul_add_f32s(y, y, s.splat_f32s(1.0))), zero, zero, zero];
    ///         Gradients { input: gates, recurrent: gates, state: [zero; 2] }
    ///     }
    /// }
    ///
    /// let kernel = Kernel::new(Tanh); // the value that Cell::kernel returns
    /// assert_eq!(kernel.gates(), 1);
    /// ```
    fn kernel(&self) -> Option<Kernel> {
        None
    }

    /// The GPU kernel of this cell, if there is one: like [`kernel`](Self::kernel) for the CPU, but built from
    /// functions that CubeCL compiles for the device; see [`elman_cube::cell::Pointwise`]. For an example of a custom
    /// cell, see `tests/own_cell.rs` of that crate.
    #[cfg(feature = "cube")]
    fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
        None
    }
}

/// The coefficients of the linear recurrence `h_t = decay_t ⊙ h_{t-1} + update_t`.
#[derive(Clone, Debug)]
pub struct Linear<const D: usize> {
    /// The factor of the previous state.
    pub decay: Tensor<D>,
    /// The added term.
    pub update: Tensor<D>,
}

/// Splits packed gates along the last axis.
pub(crate) fn gates<const D: usize, const N: usize>(packed: Tensor<D>) -> [Tensor<D>; N] {
    packed.chunk(N, D - 1).try_into().expect("chunk returns N tensors if N divides the axis")
}
