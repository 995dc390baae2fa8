//! Shared utilities of elman's tests: compiled-in devices, golden files, comparison with a tolerance, damaged files,
//! PyTorch files, and the location of test data outside the repository.

#[cfg(feature = "tensor")]
mod close;
#[cfg(feature = "tensor")]
mod devices;
#[cfg(feature = "tensor")]
mod exclusive;
#[cfg(feature = "tensor")]
mod golden;
#[cfg(feature = "tensor")]
mod gradients;
mod mutants;
mod shared;
mod torch;

#[cfg(feature = "tensor")]
pub use close::{Tolerance, assert_close, assert_close_data, assert_near_data};
#[cfg(feature = "tensor")]
pub use devices::{TestDevice, device, devices};
#[cfg(feature = "tensor")]
pub use golden::Golden;
#[cfg(feature = "tensor")]
pub use gradients::gradients_of;
pub use mutants::Mutants;
pub use shared::shared;
pub use torch::Torch;
