//! GPU kernels for the forward and backward scan of recurrent layers: one source in [CubeCL](https://docs.rs/cubecl)
//! for every vendor, through wgpu (Vulkan, Metal, DirectX 12, WebGPU), CUDA and ROCm.
//!
//! A time step consists of *phases*: all threads of a row must see what one phase writes before the next phase starts.
//! The plain recurrence has one phase, the recurrent product with the cell fused into it; layer normalization, a reset
//! gate before the product and the projection add more. A [`Driver`] determines how phases are launched: one launch per
//! phase and step over the whole device; one launch per scan in which each cube owns some rows of the batch and needs
//! no synchronization with other cubes; or one launch per scan with a grid barrier after each step.
//!
//! The crate uses device buffers and no tensors; `elman-recurrence` wraps it as an operation that burn differentiates.
//! The equations of the cells are in [`cell`]; a [`Kernel`] is built from a cell, so custom cells support everything
//! else.
//!
//! The input projection, the weights and the saved values are f32, f16 or bf16, a [`StorageDtype`]; sums, states and
//! the cell's math are f32. The host never waits for the device, except for the trial launch of [`Driver::Persistent`].
//! The same scan on the same device with the same plan gives bit-identical results.

mod backward;
mod buffer;
pub mod cell;
mod driver;
mod forward;
mod indexing;
mod kernel;
mod layer_norm;
mod layout;
mod linear;
mod pack;
mod persistent;
mod product;
mod scan;
mod sequences;

pub use backward::Gradients;
pub use buffer::{Buffer, StorageDtype};
pub use driver::{Driver, Plan, UnknownDriver};
pub use forward::ScanOutput;
pub use kernel::{Kernel, MAX_BUFFERS};
pub use product::Tile;
pub use scan::ScanArgs;
pub use sequences::{Direction, Operands, ScanOptions, Sequences, Zoneout};
