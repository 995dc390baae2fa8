//! Dropout with a mask per element, and with one per sequence, per word, per weight.

mod elementwise;
mod embedding;
#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;
mod locked;
mod mask;
mod rate;
mod weight;

pub use elementwise::Dropout;
pub use embedding::EmbeddingDropout;
pub use locked::LockedDropout;
pub use weight::WeightDrop;
