use std::path::Path;

use crate::error::EmbeddingError;

/// That every number of a vector is finite: what all vectors pass before they are given out.
///
/// Finite weights can be so large that sums of them are not.
///
/// # Errors
/// [`EmbeddingError::VectorNotFinite`], with the directory of the model that made it.
pub(crate) fn check(vector: Vec<f32>, model: &Path) -> Result<Vec<f32>, EmbeddingError> {
    match vector.iter().all(|x| x.is_finite()) {
        true => Ok(vector),
        false => Err(EmbeddingError::VectorNotFinite { model: model.into() }),
    }
}
