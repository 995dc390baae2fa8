use std::path::Path;

use crate::error::EmbeddingError;

/// Checks that all values of a vector are finite. Every vector is checked before it is returned.
///
/// Finite weights can be so large that their sums overflow.
///
/// # Errors
/// [`EmbeddingError::VectorNotFinite`], with the directory of the model.
pub(crate) fn check(vector: Vec<f32>, model: &Path) -> Result<Vec<f32>, EmbeddingError> {
    match vector.iter().all(|x| x.is_finite()) {
        true => Ok(vector),
        false => Err(EmbeddingError::VectorNotFinite { model: model.into() }),
    }
}
