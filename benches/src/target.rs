use elman::{DeviceInfo, recurrence::CellKind};

use crate::{case::Case, peer::Peers};

/// A device, and what is measured on it.
pub(crate) struct Target {
    pub device: DeviceInfo,
    pub work: Vec<(CellKind, Case)>,
    /// In the order of their columns.
    pub peers: Peers,
    /// For each figure.
    pub seconds: f64,
    /// Seconds after which no other row is begun.
    pub budget: f64,
}
