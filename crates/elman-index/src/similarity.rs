use std::iter::zip;

/// Independent partial sums, so that the loop has no chain of dependent additions.
const LANES: usize = 8;

/// An element of a stored vector.
pub(crate) trait Element: Copy + Into<f64> {}

impl Element for f32 {}
impl Element for i8 {}

/// The dot product a·b = Σ aᵢbᵢ.
///
/// Products and sums are computed in `f64`, so the error before the result is rounded to `f32` is at most
/// n·2⁻⁵³·Σ|aᵢbᵢ|, even under heavy cancellation. A result beyond the range of `f32` is infinite.
/// NaN in either vector gives NaN.
///
/// # Panics
/// If the vectors differ in length.
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    sum_products(a, b) as f32
}

/// The cosine of the angle between two vectors, a·b / (‖a‖‖b‖), in \[−1, 1\].
///
/// The cosine with a zero vector is 0. NaN or an infinity in either vector gives NaN. Sums are computed as in [`dot`];
/// the error of the result is at most 2⁻²⁴ + n·2⁻⁵¹, and no finite vector overflows or underflows.
///
/// # Panics
/// If the vectors differ in length.
pub fn cosine(a: &[f32], b: &[f32]) -> f32 {
    cosine_to(a, sum_products(a, a), b)
}

/// The Euclidean distance ‖a − b‖ = √Σ(aᵢ − bᵢ)².
///
/// Sums are computed in `f64`; the relative error is at most 2⁻²⁴ + n·2⁻⁵². NaN in either vector, or the same infinity
/// at the same index of both, gives NaN.
///
/// # Panics
/// If the vectors differ in length.
pub fn euclidean(a: &[f32], b: &[f32]) -> f32 {
    sum(a, b, |x, y| (x - y) * (x - y)).sqrt() as f32
}

/// [`dot`] in `f64`.
#[inline(always)]
pub(crate) fn sum_products<A: Element, B: Element>(a: &[A], b: &[B]) -> f64 {
    sum(a, b, |x, y| x * y)
}

/// [`cosine`] with a·a given.
#[inline(always)]
pub(crate) fn cosine_to<B: Element>(a: &[f32], a_squared: f64, b: &[B]) -> f32 {
    let squares = a_squared * sum_products(b, b);
    if squares == 0.0 {
        return 0.0;
    }
    (sum_products(a, b) / squares.sqrt()).clamp(-1.0, 1.0) as f32
}

/// Σ term(aᵢ, bᵢ), in lanes that the compiler vectorizes. Inlined, so that it is compiled for the caller's instruction
/// set.
#[inline(always)]
fn sum<A: Element, B: Element>(a: &[A], b: &[B], term: impl Fn(f64, f64) -> f64) -> f64 {
    assert_eq!(a.len(), b.len(), "vectors `a` and `b` must have the same length");
    let (a_chunks, a_rest) = a.as_chunks::<LANES>();
    let (b_chunks, b_rest) = b.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in zip(a_chunks, b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += term(x[lane].into(), y[lane].into());
        }
    }
    let rest: f64 = zip(a_rest, b_rest).map(|(&x, &y)| term(x.into(), y.into())).sum();
    lanes.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values_at_lengths_around_a_chunk() {
        for n in 0..3 * LANES {
            let a: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let ones = vec![1.0; n];
            let zeros = vec![0.0; n];
            let count = n as f32;
            assert_eq!(dot(&a, &ones), count * (count - 1.0).max(0.0) / 2.0);
            assert_eq!(euclidean(&ones, &zeros), count.sqrt());
            assert_eq!(cosine(&ones, &ones), if n == 0 { 0.0 } else { 1.0 });
        }
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0, 2.0], &[-2.0, -4.0]), -1.0);
        assert_eq!(euclidean(&[1.0, 1.0], &[4.0, 5.0]), 5.0);
    }

    #[test]
    fn cancellation_loses_no_digits() {
        assert_eq!(dot(&[1e7, 1.0, -1e7], &[1e7, 1.0, 1e7]), 1.0);
    }

    #[test]
    fn no_finite_vector_overflows_or_underflows() {
        for scale in [f32::MIN_POSITIVE, 1e-45, 1.0, f32::MAX] {
            assert_eq!(cosine(&[scale, 0.0], &[scale, 0.0]), 1.0);
            assert_eq!(euclidean(&[scale], &[0.0]), scale);
        }
        assert_eq!(dot(&[f32::MAX], &[f32::MAX]), f32::INFINITY);
    }

    #[test]
    fn zeros_infinities_and_nan() {
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 2.0]), 0.0);
        assert!(cosine(&[0.0, 0.0], &[1.0, f32::NAN]).is_nan());
        assert!(cosine(&[f32::INFINITY, 0.0], &[1.0, 0.0]).is_nan());
        assert!(dot(&[f32::NAN, 1.0], &[0.0, 1.0]).is_nan());
        assert!(euclidean(&[f32::NAN], &[f32::NAN]).is_nan());
    }

    #[test]
    #[should_panic(expected = "vectors `a` and `b` must have the same length")]
    fn lengths_must_agree() {
        dot(&[1.0], &[1.0, 2.0]);
    }
}
