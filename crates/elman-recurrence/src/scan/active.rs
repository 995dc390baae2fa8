use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Checks the lengths of a ragged batch.
///
/// # Panics
/// If there is not one length per row of the batch, or a length exceeds `time`.
pub(crate) fn check_lengths(lengths: &[usize], batch: usize, time: usize) {
    let count = lengths.len();
    assert!(count == batch, "lengths: found {count} for a batch of {batch} rows; expected one per row");
    if let Some((row, length)) = lengths.iter().enumerate().find(|(_, length)| **length > time) {
        panic!("lengths: row {row} has length {length}, but the input's time axis has {time} steps");
    }
}

/// The active rows of a ragged batch.
#[derive(Clone, Debug)]
pub struct Active {
    /// `[T, B, 1]`: whether the row is active at this time step.
    pub(crate) mask: Tensor<3, Bool>,
    /// All rows are active at time steps before this one.
    pub(crate) full_until: usize,
    /// Number of time steps of each row.
    pub(crate) lengths: Arc<[usize]>,
}

impl Active {
    /// The indices of the active rows of a `[T·B, ·]` matrix, in ascending order.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn rows(&self) -> Vec<usize> {
        let (time, batch) = (self.lengths.iter().copied().max().unwrap_or(0), self.lengths.len());
        let all = (0..time).flat_map(|t| (0..batch).map(move |row| (t, row)));
        all.filter(|(t, row)| t < &self.lengths[*row]).map(|(t, row)| t * batch + row).collect()
    }

    /// The active rows of a batch whose row `b` ends after `lengths[b]` of `time` steps; `None` if every row has all
    /// steps.
    ///
    /// # Panics
    /// If a length exceeds `time`.
    pub fn new(lengths: &[usize], time: usize, device: &Device) -> Option<Self> {
        check_lengths(lengths, lengths.len(), time);
        let full_until = lengths.iter().copied().min().unwrap_or(time);
        if full_until == time {
            return None;
        }
        let mask: Vec<bool> = (0..time).flat_map(|t| lengths.iter().map(move |l| t < *l)).collect();
        let mask = TensorData::new(mask, [time, lengths.len(), 1]);
        let mask = Tensor::<3, Bool>::from_data(mask, &device.clone().without_autodiff());
        Some(Self { mask, full_until, lengths: lengths.into() })
    }
}
