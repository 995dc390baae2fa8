//! Dropout with a mask per element, and with one per sequence, per word, per weight.

mod elementwise;
mod embedding;
#[cfg(any(feature = "flex", feature = "ndarray"))]
#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;
mod locked;
#[cfg(any(feature = "flex", feature = "ndarray"))]
mod mask;
mod rate;
mod weight;

pub use elementwise::Dropout;
pub use embedding::EmbeddingDropout;
pub use locked::LockedDropout;
pub use rate::DropoutRate;
pub use weight::WeightDrop;
