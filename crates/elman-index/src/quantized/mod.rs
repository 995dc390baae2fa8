//! Quantized vectors, and two-stage search with rescoring.
//!
//! Searching vectors of a few hundred dimensions is limited by memory bandwidth, so their dtype determines speed as
//! well as memory:
//!
//! | [`VectorDtype`] | bytes per vector | stored |
//! |---|---|---|
//! | `f32` ([`Float32`]) | 4·dim | exact values |
//! | `int8` ([`Int8`]) | dim, plus 4 in memory for a scale | the direction, each value within 1/254 of the maximum |
//! | `binary` ([`Binary`]) | dim/8 | the signs |
//!
//! [`Int8`] and [`Binary`] store directions: scores are cosines, and the norms of vectors are lost.
//!
//! [`nearest_rescored`] searches in two stages: the first compares all quantized vectors and selects k·oversampling
//! candidates, the second compares those with the `f32` query. [`QuantizedStore`] is a store that searches in this way.
//! The method is that of binary passage retrievers (Yamada, Asai and Hajishirzi 2021,
//! <https://arxiv.org/abs/2106.00882>) and of "embedding quantization" in sentence-transformers.
//!
//! ```
//! use elman_index::quantized::{Binary, Collection, Int8, nearest_rescored};
//!
//! let vectors = [[0.9, 0.1, -0.2], [0.6, 0.7, -0.1], [-0.8, 0.3, 0.1]];
//! let (mut signs, mut bytes) = (Binary::new(3)?, Int8::new(3)?);
//! for vector in &vectors {
//!     signs.push(vector)?;
//!     bytes.push(vector)?;
//! }
//! let query = [0.7, 0.6, -0.2];
//! assert_eq!(signs.nearest(&query, 1)?[0].0, 0); // it has the signs of the second vector
//! assert_eq!(nearest_rescored(&signs, &bytes, &query, 1, 2)?[0].0, 1);
//! # Ok::<(), elman_index::IndexError>(())
//! ```

mod any_collection;
mod binary;
mod collection;
mod dtype;
mod float32;
mod int8;
mod nearest;
mod rescored;
mod store;

pub use binary::{Binary, hamming};
pub use collection::Collection;
pub use dtype::VectorDtype;
pub use float32::Float32;
pub use int8::Int8;
pub use rescored::nearest_rescored;
pub use store::{QuantizedStore, QuantizedStoreConfig};

use crate::{entry::non_finite, error::IndexError};

/// Checks that all values of a vector are finite.
fn check_finite(vector: &[f32]) -> Result<(), IndexError> {
    match non_finite(vector) {
        Some(position) => Err(IndexError::VectorNotFinite { position, found: vector[position] }),
        None => Ok(()),
    }
}

fn check_vector(vector: &[f32], dim: usize) -> Result<(), IndexError> {
    if vector.len() != dim {
        return Err(IndexError::VectorDimension { expected: dim, found: vector.len() });
    }
    check_finite(vector)
}
