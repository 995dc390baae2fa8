use std::fmt::Display;

use serde::{Deserialize, Deserializer};

use crate::error::LmError;

/// Returns an error that names the setting, its range and its value unless `ok`.
pub(crate) fn check(name: &'static str, expected: &'static str, found: impl Display, ok: bool) -> Result<(), LmError> {
    if ok { Ok(()) } else { Err(LmError::Setting { name, expected, found: found.to_string() }) }
}

/// Checks a dropout probability: in [0, 1), also after rounding to f32. NaN is rejected.
pub(crate) fn fraction(name: &'static str, found: f64) -> Result<(), LmError> {
    check(name, "at least 0 and below 1", found, (0.0..1.0).contains(&found) && (found as f32) < 1.0)
}

/// Checks that a number is positive and finite.
pub(crate) fn positive(name: &'static str, found: f64) -> Result<(), LmError> {
    check(name, "a number above 0", found, found.is_finite() && found > 0.0)
}

/// Checks that a number is at least 0 and finite.
pub(crate) fn not_negative(name: &'static str, found: f64) -> Result<(), LmError> {
    check(name, "a number of at least 0", found, found.is_finite() && found >= 0.0)
}

/// Checks that a count is at least 1.
pub(crate) fn at_least_one(name: &'static str, found: usize) -> Result<(), LmError> {
    check(name, "at least 1", found, found >= 1)
}

/// Deserializes a number that JSON stores as `null` if it is infinite.
pub(crate) fn null_is_infinite<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or(f64::INFINITY))
}
