#![doc = include_str!("../../../README.md")]

mod device;
mod environment;

pub use burn;
pub use device::{DeviceError, DeviceInfo, device, devices};
pub use elman_activations as activations;
pub use elman_classify as classify;
pub use elman_embedding as embedding;
pub use elman_index as index;
pub use elman_layers as layers;
pub use elman_lm as lm;
pub use elman_recurrence as recurrence;
pub use elman_text as text;
pub use environment::Environment;
