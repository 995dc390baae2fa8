use burn::tensor::{Tensor, activation};

use crate::Real;

/// `softmax(x)_i = e^(x_i) / Σ_j e^(x_j)` along `axis` (Bridle 1990).
///
/// The probability of an element −∞ is 0. A slice along `axis` is NaN if all its elements are −∞, or one is +∞ or NaN.
///
/// # Shapes
/// Any; the result has the shape of `x`.
///
/// # Panics
/// If `axis` is out of range.
pub fn softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    check_axis(axis, D);
    activation::softmax(x, axis)
}

/// `log_softmax(x)_i = x_i − ln Σ_j e^(x_j)` along `axis`, accurate where `softmax(x)` underflows to 0.
///
/// # Shapes
/// Any; the result has the shape of `x`.
///
/// # Panics
/// If `axis` is out of range.
pub fn log_softmax<const D: usize>(x: Tensor<D>, axis: usize) -> Tensor<D> {
    check_axis(axis, D);
    activation::log_softmax(x, axis)
}

fn check_axis(axis: usize, rank: usize) {
    assert!(axis < rank, "softmax: axis {axis} is out of range, x has {rank} axes");
}

/// [`softmax`] of a slice, in place.
pub fn softmax_slice<R: Real>(x: &mut [R]) {
    let max = max(x);
    let mut sum = R::zero();
    for x in x.iter_mut() {
        *x = (*x - max).exp();
        sum = sum + *x;
    }
    for x in x.iter_mut() {
        *x = *x / sum;
    }
}

/// [`log_softmax`] of a slice, in place.
pub fn log_softmax_slice<R: Real>(x: &mut [R]) {
    let max = max(x);
    let log_sum = x.iter().fold(R::zero(), |sum, x| sum + (*x - max).exp()).ln();
    for x in x.iter_mut() {
        *x = *x - max - log_sum;
    }
}

/// The vector-Jacobian product of `y = softmax(x)`, in place: replaces the gradient with respect to `y` by that with
/// respect to `x`, `g_i ← y_i·(g_i − Σ_j g_j·y_j)`.
///
/// # Panics
/// If the lengths differ.
pub fn softmax_vjp<R: Real>(y: &[R], grad: &mut [R]) {
    check_lengths(y, grad);
    let mean = y.iter().zip(grad.iter()).fold(R::zero(), |sum, (y, g)| sum + *y * *g);
    for (g, y) in grad.iter_mut().zip(y) {
        *g = *y * (*g - mean);
    }
}

/// The vector-Jacobian product of `y = log_softmax(x)`, in place: replaces the gradient with respect to `y` by that
/// with respect to `x`, `g_i ← g_i − e^(y_i)·Σ_j g_j`.
///
/// # Panics
/// If the lengths differ.
pub fn log_softmax_vjp<R: Real>(y: &[R], grad: &mut [R]) {
    check_lengths(y, grad);
    let sum = grad.iter().fold(R::zero(), |sum, g| sum + *g);
    for (g, y) in grad.iter_mut().zip(y) {
        *g = *g - y.exp() * sum;
    }
}

fn max<R: Real>(x: &[R]) -> R {
    x.iter().fold(R::neg_infinity(), |max, x| max.max(*x))
}

fn check_lengths<R>(y: &[R], grad: &[R]) {
    assert_eq!(y.len(), grad.len(), "softmax: the lengths of y and its gradient differ");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_softmax_is_accurate_where_softmax_underflows() {
        let mut x = [0.0f32, -200.0];
        log_softmax_slice(&mut x);
        assert_eq!(x, [0.0, -200.0]);
    }

    #[test]
    fn an_empty_slice_stays_empty() {
        softmax_slice::<f32>(&mut []);
        log_softmax_slice::<f64>(&mut []);
    }

    #[test]
    #[should_panic(expected = "axis 2 is out of range, x has 2 axes")]
    fn an_axis_out_of_range_panics() {
        softmax(Tensor::<2>::zeros([1, 1], &elman_testkit::device()), 2);
    }
}
