//! Vectors in fewer bits, and the search that makes up for it.
//!
//! Vectors of a few hundred numbers are searched as fast as memory is read, so what they are kept in decides over time as
//! well as space:
//!
//! | [`VectorDtype`] | bytes of a vector | what is kept |
//! |---|---|---|
//! | `f32` ([`Float32`]) | 4·d | all |
//! | `int8` ([`Int8`]) | d, and 4 for its length in memory | the direction, each number within 1/254 of the largest |
//! | `binary` ([`Binary`]) | d/8 | the signs |
//!
//! [`Int8`] and [`Binary`] keep directions, so the score of a hit is a cosine, and a vector's length is lost.
//!
//! [`nearest_rescored`] searches in two stages: the first looks at every vector in few bits and keeps k·oversampling
//! candidates; the second compares those with the query in full precision. [`QuantizedStore`] is a store around it. It is the search of binary passage retrievers
//! (Yamada, Asai and Hajishirzi 2021, <https://arxiv.org/abs/2106.00882>), and of sentence-transformers' "embedding
//! quantization".
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
//! assert_eq!(signs.nearest(&query, 1)?[0].0, 0); // its signs are those of the second
//! assert_eq!(nearest_rescored(&signs, &bytes, &query, 1, 2)?[0].0, 1);
//! # Ok::<(), elman_index::IndexError>(())
//! ```

mod binary;
mod collection;
mod float32;
mod int8;
mod kept;
mod nearest;
mod precision;
mod rescored;
mod store;

pub use binary::{Binary, hamming};
pub use collection::Collection;
pub use float32::Float32;
pub use int8::Int8;
pub use precision::VectorDtype;
pub use rescored::nearest_rescored;
pub use store::{QuantizedStore, QuantizedStoreConfig};

use crate::{entry::non_finite, error::IndexError};

/// Checks all that a collection demands of a vector but its length.
fn check_finite(vector: &[f32]) -> Result<(), IndexError> {
    match non_finite(vector) {
        Some(position) => Err(IndexError::VectorNotFinite { position, found: vector[position] }),
        None => Ok(()),
    }
}

fn check_vector(vector: &[f32], d_embed: usize) -> Result<(), IndexError> {
    if vector.len() != d_embed {
        return Err(IndexError::VectorDimension { expected: d_embed, found: vector.len() });
    }
    check_finite(vector)
}
