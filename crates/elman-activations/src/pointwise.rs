use burn::tensor::Tensor;

use crate::Real;

/// An element-wise function with its derivative.
///
/// Code that is generic over `P: Pointwise` is monomorphized for each function, so a kernel has no dispatch cost.
/// [`Activation`](crate::Activation) selects a function at run time.
///
/// ```
/// use elman_activations::{Needs, Pointwise, Tanh};
///
/// let y = Tanh.f(0.5f64);
/// assert_eq!(Tanh::NEEDS, Needs::Output);
/// assert_eq!(Tanh.df(y), 1.0 - y * y);
/// ```
pub trait Pointwise: Copy {
    /// The argument of [`df`](Self::df): the value that forward must save for backward.
    const NEEDS: Needs;

    /// The value `f(x)`.
    fn f<R: Real>(self, x: R) -> R;

    /// The derivative `f′(x)`, given `x` or `f(x)`; see [`NEEDS`](Self::NEEDS).
    fn df<R: Real>(self, saved: R) -> R;

    /// Applies `f` to every element; supports autodiff.
    ///
    /// # Shapes
    /// Any; the result has the shape of `x`.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D>;
}

/// The value that a derivative is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// None: the derivative is constant.
    Nothing,
    /// The input `x`.
    Input,
    /// The output `f(x)`.
    Output,
}
