//! The walk of recurrent layers on graphics cards.

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
mod product;
mod sequences;
mod walk;

pub use backward::Gradients;
pub use buffer::Buffer;
pub use driver::{Driver, Plan, UnknownDriver};
pub use forward::Walked;
pub use kernel::Kernel;
pub use product::Tile;
pub(crate) use sequences::Variant;
pub use sequences::{Operands, Sequences, Zoneout};
pub use walk::Walk;
