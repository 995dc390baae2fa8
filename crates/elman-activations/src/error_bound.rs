//! Tests that the documented error of an approximation is the measured one.

use crate::Pointwise;

/// Measures `max |approximation − exact|` and asserts that `docs` state it and where it occurs.
pub fn assert_documented(docs: &str, approximation: impl Pointwise, exact_name: &str, exact: impl Pointwise) {
    const STEP: f64 = 1e-4;
    let (error, x) = (0..=200_000)
        .map(|i| f64::from(i) * STEP)
        .flat_map(|x| [x, -x])
        .map(|x| ((approximation.f(x) - exact.f(x)).abs(), x.abs()))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .expect("at least one point");
    let sentence = format!("Maximum difference from [`{exact_name}`]: {error:.2e}, near x = ±{x:.2}.");
    assert!(docs.contains(&sentence), "the documentation must state: {sentence}");
}
