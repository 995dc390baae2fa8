use burn::tensor::{Tensor, TensorData};

/// How far a value may lie from the expected one, and why that far.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// Largest allowed error relative to the largest magnitude of the expected tensor.
    pub relative: f64,
    /// Allowed on top, for tensors that are all but zero.
    pub absolute: f64,
}

/// Asserts that two tensors have the same shape and lie within `tolerance`, elementwise.
///
/// The error of an element is measured against the tensor's largest magnitude (the norm that a sum of products is
/// rounded in), so that an element which cancels to nearly nothing is not held to more than its terms carry.
/// NaN equals NaN, an infinity equals itself.
///
/// # Panics
/// With `label`, the first offending index and both values.
#[track_caller]
pub fn assert_close<const D: usize>(label: &str, actual: &Tensor<D>, expected: &Tensor<D>, tolerance: Tolerance) {
    assert_close_data(label, &actual.to_data(), &expected.to_data(), tolerance);
}

/// [`assert_close`] on data that has been read back.
///
/// # Panics
/// As [`assert_close`].
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

/// Compares all numbers at once: the root mean square of the differences may be `allowed` of that of the expected values. For
/// rounding that single numbers suffer much more from than others, as where a derivative jumps.
///
/// # Panics
/// If shapes differ or the difference is larger; the message names `label` and what was found.
#[track_caller]
pub fn assert_near_data(label: &str, actual: &TensorData, expected: &TensorData, allowed: f64) {
    assert_eq!(actual.shape(), expected.shape(), "{label}: shape");
    let squares = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let off = squares(&mut actual.iter::<f64>().zip(expected.iter::<f64>()).map(|(a, e)| a - e));
    let (off, size) = (off.sqrt(), squares(&mut expected.iter::<f64>()).sqrt());
    assert!(off <= allowed * size, "{label}: off by {:.3e} of the root mean square, allowed {allowed:.3e}", off / size);
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
    fn all_numbers_are_compared_at_once() {
        let expected = TensorData::from([3.0f32, 4.0]);
        assert_near_data("x", &TensorData::from([3.0f32, 4.5]), &expected, 0.11);
        assert_near_data("x", &TensorData::from([3.5f32, 4.0]), &expected, 0.09);
    }
}
