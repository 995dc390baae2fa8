//! Dropouts whose mask is not one independent element each: per sequence, per word, per weight.

mod embedding;
mod locked;
mod rate;
mod weight;

pub use embedding::EmbeddingDropout;
pub use locked::LockedDropout;
pub use rate::DropRate;
pub use weight::WeightDrop;
