use elman::{DeviceInfo, recurrence::CellKind};

use crate::{case::Case, peer::Peers};

/// A device and the work to measure on it.
pub(crate) struct Target {
    pub device: DeviceInfo,
    pub work: Vec<(CellKind, Case)>,
    /// In column order.
    pub peers: Peers,
    /// Seconds per measurement.
    pub seconds: f64,
    /// Seconds after which no new row starts.
    pub budget: f64,
}
