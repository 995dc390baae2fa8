use burn::tensor::{Tensor, TensorData};

/// The allowed error of a value.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Maximum error relative to the largest magnitude of the expected tensor.
    pub relative: f64,
    /// Allowed in addition, for tensors that are nearly zero.
    pub absolute: f64,
}

/// Asserts that two tensors have the same shape and are element-wise equal within `tolerance`.
///
/// The error of an element is relative to the largest magnitude of the tensor: rounding errors of a sum of products
/// scale with its terms, so an element near zero due to cancellation cannot be more precise. NaN equals NaN, and an
/// infinity equals itself.
///
/// # Panics
/// If not; the message has `label`, the first differing index and both values.
#[track_caller]
pub fn assert_close<const D: usize>(label: &str, actual: &Tensor<D>, expected: &Tensor<D>, tolerance: Tolerance) {
    assert_close_data(label, &actual.to_data(), &expected.to_data(), tolerance);
}

/// [`assert_close`] for tensor data.
///
/// # Panics
/// See [`assert_close`].
#[track_caller]
pub fn assert_close_data(label: &str, actual: &TensorData, expected: &TensorData, tolerance: Tolerance) {
    assert_eq!(actual.shape(), expected.shape(), "{label}: shape");
    let actual: Vec<f64> = actual.iter::<f64>().collect();
    let expected: Vec<f64> = expected.iter::<f64>().collect();
    let scale = expected.iter().filter(|x| x.is_finite()).fold(0.0f64, |m, x| m.max(x.abs()));
    let allowed = tolerance.relative * scale + tolerance.absolute;
    for (i, (a, e)) in actual.iter().zip(&expected).enumerate() {
        let same = a == e || (a.is_nan() && e.is_nan());
        assert!(
            same || (a - e).abs() <= allowed,
            "{label}: element {i} is {a}, expected {e}; off by {:.3e}, allowed {allowed:.3e} ({tolerance:?}, largest {scale:.3e})",
            (a - e).abs()
        );
    }
}

/// Asserts that the root mean square of the differences is at most `allowed` times that of the expected values. For
/// rounding errors that affect a few values much more than others, such as at a discontinuity of a derivative.
///
/// # Panics
/// If not, or if the shapes differ; the message has `label` and the error.
#[track_caller]
pub fn assert_near_data(label: &str, actual: &TensorData, expected: &TensorData, allowed: f64) {
    assert_eq!(actual.shape(), expected.shape(), "{label}: shape");
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let error = squares(&mut actual.iter::<f64>().zip(expected.iter::<f64>()).map(|(a, e)| a - e));
    let (error, norm) = (error.sqrt(), squares(&mut expected.iter::<f64>()).sqrt());
    let relative = error / norm;
    assert!(error <= allowed * norm, "{label}: off by {relative:.3e} of the root mean square, allowed {allowed:.3e}");
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIGHT: Tolerance = Tolerance { relative: 1e-6, absolute: 0.0 };

    fn data(values: &[f64]) -> TensorData {
        TensorData::new(values.to_vec(), [values.len()])
    }

    #[test]
    fn equal_and_special_values_pass() {
        let v = data(&[1.0, f64::NAN, f64::INFINITY, -0.0]);
        assert_close_data("same", &v, &v, TIGHT);
    }

    #[test]
    #[should_panic(expected = "element 1")]
    fn a_nan_is_not_close_to_a_number() {
        assert_close_data("nan", &data(&[1.0, f64::NAN]), &data(&[1.0, 2.0]), TIGHT);
    }

    #[test]
    #[should_panic(expected = "off by")]
    fn an_error_beyond_the_tolerance_fails() {
        assert_close_data("far", &data(&[1.0, 2.0]), &data(&[1.0, 2.1]), TIGHT);
    }

    #[test]
    #[should_panic(expected = "x: off by 1.000e-1 of the root mean square, allowed 9.000e-2")]
    fn root_mean_squares_are_compared() {
        let expected = TensorData::from([3.0f32, 4.0]);
        assert_near_data("x", &TensorData::from([3.0f32, 4.5]), &expected, 0.11);
        assert_near_data("x", &TensorData::from([3.5f32, 4.0]), &expected, 0.09);
    }
}
