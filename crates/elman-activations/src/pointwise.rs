use burn::tensor::Tensor;

use crate::Real;

/// A function that is applied to each element on its own, with its derivative.
///
/// Code that is generic over `P: Pointwise` is compiled once per function, so a kernel pays nothing for the choice;
/// [`Activation`](crate::Activation) makes the choice at run time.
///
/// ```
/// use elman_activations::{Needs, Pointwise, Tanh};
///
/// let y = Tanh.f(0.5f64);
/// assert_eq!(Tanh::NEEDS, Needs::Output);
/// assert_eq!(Tanh.df(y), 1.0 - y * y);
/// ```
pub trait Pointwise: Copy {
    /// What [`df`](Self::df) takes, so what a backward pass has to keep.
    const NEEDS: Needs;

    /// The value `f(x)`.
    fn f<R: Real>(self, x: R) -> R;

    /// The derivative `f′(x)`, given `x` or `f(x)` as [`NEEDS`](Self::NEEDS) says.
    fn df<R: Real>(self, saved: R) -> R;

    /// `f` of every element, differentiable where the tensor is.
    ///
    /// # Shapes
    /// Any; the result has the shape of `x`.
    fn apply<const D: usize>(self, x: Tensor<D>) -> Tensor<D>;
}

/// What a derivative is computed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Needs {
    /// Neither: the derivative is a constant.
    Nothing,
    /// The input `x`.
    Input,
    /// The output `f(x)`.
    Output,
}
