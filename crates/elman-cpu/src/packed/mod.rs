//! Layers whose weights are packed once, for inference.

mod layer;
mod linear;

pub use layer::{LayerWeights, PackedLayer, SequenceBatch, Workspace};
pub use linear::PackedLinear;
