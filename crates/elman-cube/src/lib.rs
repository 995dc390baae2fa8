//! The walk of recurrent layers on graphics cards, forward and back: one source in [CubeCL](https://docs.rs/cubecl) for every
//! vendor, through wgpu (Vulkan, Metal, DirectX 12, WebGPU), CUDA and ROCm.
//!
//! A time step is a few *phases*: what one writes, all units of a row must see before the next. The plain recurrence has one,
//! the recurrent product with the cell fused into it; layer normalisation, a reset gate before the product and the projection
//! have more. A [`Driver`] says how they are launched: each phase of each step over the whole device, or all of a walk at once, in
//! which each cube owns some rows of the batch and needs to wait for nobody else, or has cubes beside it that it meets after each
//! step.
//!
//! The crate knows buffers on a device and no tensors; `elman-recurrence` makes an operation of it that burn differentiates. What
//! a cell does with its gates is in [`cell`], and a [`Kernel`] is made of it: a cell of one's own gets everything else with it.
//!
//! The input product, the weights and what is kept for the way back are float32, float16 or bfloat16, a [`StorageDtype`]; sums, states
//! and what a cell does are float32. Nothing waits for the device but the trial of [`Driver::Persistent`]. The same walk, on the
//! same device with the same plan, gives the same bits.

mod backward;
mod buffer;
pub mod cell;
mod driver;
mod forward;
mod kernel;
mod layout;
mod linear;
mod normalise;
mod pack;
mod persistent;
mod place;
mod product;
mod sequences;
mod walk;

pub use backward::Gradients;
pub use buffer::{Buffer, StorageDtype};
pub use driver::{Driver, Plan, UnknownDriver};
pub use forward::ScanOutput;
pub use kernel::{Kernel, MAX_BUFFERS};
pub use product::Tile;
pub use sequences::{Direction, Operands, ScanOptions, Sequences, Zoneout};
pub use walk::ScanArgs;
