//! What a cell does with its gates, and nothing else.
//!
//! A [`Cell`] is the pointwise part of a recurrent layer: it says how many gates and states it has and how one time
//! step turns gate inputs and the previous state into the next. How a sequence is walked, where weights lie, lengths,
//! directions and layers are the business of the scan and of [`Recurrent`](crate::Recurrent).

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
/// Legend: `B` batch, `T` time, `H` hidden units. The scan computes, for each time step, the input product
/// `x_t W_ihᵀ + b_ih` and the recurrent product `h_{t-1} W_hhᵀ + b_hh`, both `[B, GATES·H]`, and hands them to
/// [`forward`](Cell::forward).
///
/// A cell of one's own needs the two counts and `forward`:
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

    /// State tensors; the first is the hidden state `h`, which is the layer's output.
    const STATES: usize;

    /// Whether a recurrent product `h W_hhᵀ` exists. Cells without one are linear in their state.
    const RECURRENT: bool = true;

    /// Whether the hidden state can be projected ([`RecurrentConfig::projection`](crate::RecurrentConfig::projection)):
    /// [`forward`](Cell::forward) must not read `state[0]` then, which is narrower than the gates.
    const PROJECTION: bool = false;

    /// Whether the recurrent bias only ever enters as part of the sum of both products, so that it can be added to the
    /// input product once for all time steps.
    fn biases_can_be_merged(&self) -> bool {
        true
    }

    /// How many of the last gates have their recurrent product taken from [`candidate_input`](Cell::candidate_input) instead of
    /// from `h_{t-1}`.
    fn candidate_gates(&self) -> usize {
        0
    }

    /// What the late gates' recurrent weights are multiplied with, from the products of the other gates.
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
    /// - `input`: `[B, GATES·H]`, the input product with its bias
    /// - `recurrent`: `[B, GATES·H]`, the recurrent product; `None` exactly if [`RECURRENT`](Cell::RECURRENT) is false
    /// - `state`: `STATES` tensors of `[B, H]`
    /// - returned: the next state, in the order of `state`
    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>>;

    /// For a cell that is linear in its state, the coefficients of `h_t = decay_t ⊙ h_{t-1} + update_t` for all time
    /// steps at once; the scan then runs in parallel over time. `None` (the default) walks step by step.
    ///
    /// # Shapes
    /// - `input`: `[T, B, GATES·H]`
    /// - returned: both `[T, B, H]`
    fn linear(&self, input: Tensor<3>) -> Option<Linear<3>> {
        let _ = input;
        None
    }

    /// The kernel that computes the same as [`forward`](Cell::forward) on processors, if there is one. A cell of one's own
    /// gets it by writing its step and the step's gradients once more, for as many units as a register holds; lengths,
    /// directions, threads and every variant then come with it.
    ///
    /// ```
    /// use elman_recurrence::kernels::{
    ///     Kernel, Simd,
    ///     cell::{Gates, Gradients, Pointwise, States, Step},
    ///     math::tanh,
    /// };
    ///
    /// /// h' = tanh(x + r), which saves nothing but its output.
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
    ///         let (y, by, zero) = (step.output, step.gradient[0], s.splat_f32s(0.0));
    ///         let gates = [s.mul_f32s(by, s.negate_mul_add_f32s(y, y, s.splat_f32s(1.0))), zero, zero, zero];
    ///         Gradients { input: gates, recurrent: gates, state: [zero; 2] }
    ///     }
    /// }
    ///
    /// let kernel = Kernel::new(Tanh); // what Cell::kernel returns
    /// assert_eq!(kernel.gates(), 1);
    /// ```
    fn kernel(&self) -> Option<Kernel> {
        None
    }

    /// The kernels of this cell for graphics cards, if there are any: as [`kernel`](Self::kernel) for processors, made of
    /// functions that CubeCL compiles for the device: [`elman_cube::cell::Pointwise`]. The crate's `tests/own_cell.rs` has one of
    /// a cell that is not of the project.
    #[cfg(feature = "cube")]
    fn cube_kernel(&self) -> Option<elman_cube::Kernel> {
        None
    }
}

/// The coefficients of the linear recurrence `h_t = decay_t ⊙ h_{t-1} + update_t`.
#[derive(Clone, Debug)]
pub struct Linear<const D: usize> {
    /// How much of the previous state stays.
    pub decay: Tensor<D>,
    /// What is added.
    pub update: Tensor<D>,
}

/// Splits gates that lie side by side on the last axis.
pub(crate) fn gates<const D: usize, const N: usize>(packed: Tensor<D>) -> [Tensor<D>; N] {
    packed.chunk(N, D - 1).try_into().expect("chunk returns as many pieces as asked for when they divide the axis")
}
