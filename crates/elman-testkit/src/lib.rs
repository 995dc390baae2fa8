//! Shared pieces of elman's tests: the devices that are compiled in, golden files, closeness with a named tolerance,
//! PyTorch files, and the one way to find test data that lives beside the repository.

#[cfg(feature = "tensor")]
mod close;
#[cfg(feature = "tensor")]
mod devices;
#[cfg(feature = "tensor")]
mod golden;
#[cfg(feature = "tensor")]
mod gradients;
mod mutants;
mod shared;
mod torch;
#[cfg(feature = "tensor")]
mod turn;

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
