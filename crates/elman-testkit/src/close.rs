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
}
