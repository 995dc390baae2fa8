//! Tests that the error of an approximation, as its documentation prints it, is the measured one.

use crate::Pointwise;

/// Measures `max |approximation − exact|` and asserts that `docs` print it, with the place.
pub fn assert_documented(docs: &str, approximation: impl Pointwise, exact_name: &str, exact: impl Pointwise) {
    const STEP: f64 = 1e-4;
    let (error, x) = (0..=200_000)
        .map(|i| f64::from(i) * STEP)
        .flat_map(|x| [x, -x])
        .map(|x| ((approximation.f(x) - exact.f(x)).abs(), x.abs()))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("there are points");
    let sentence = format!("At most {error:.2e} away from [`{exact_name}`], near x = ±{x:.2}.");
    assert!(docs.contains(&sentence), "the documentation has to say: {sentence}");
}
