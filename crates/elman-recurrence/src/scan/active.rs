use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

/// # Panics
/// If the lengths are not one per row of a batch, or one is beyond `time`.
pub(crate) fn check_lengths(lengths: &[usize], batch: usize, time: usize) {
    let count = lengths.len();
    assert!(count == batch, "lengths: there are {count}, but the batch has {batch} rows; each row needs one");
    if let Some((row, length)) = lengths.iter().enumerate().find(|(_, length)| **length > time) {
        panic!("lengths: row {row} has length {length}, but the input's time axis has {time} steps");
    }
}

/// Active rows of a ragged batch.
#[derive(Clone, Debug)]
pub struct Active {
    /// `[T, B, 1]`: whether the row has not ended yet.
    pub(crate) mask: Tensor<3, Bool>,
    /// Time steps below this one have every row active.
    pub(crate) full_until: usize,
    /// How many time steps each row has.
    pub(crate) lengths: Arc<[usize]>,
}

impl Active {
    /// The rows of a `[T·B, ·]` matrix that are active, in ascending order.
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    pub(super) fn rows(&self) -> Vec<usize> {
        let (time, batch) = (self.lengths.iter().copied().max().unwrap_or(0), self.lengths.len());
        let all = (0..time).flat_map(|t| (0..batch).map(move |row| (t, row)));
        all.filter(|(t, row)| t < &self.lengths[*row]).map(|(t, row)| t * batch + row).collect()
    }

    /// The rows of a batch, row `b` of which ends after `lengths[b]` of `time` steps; `None` if every row is full.
    ///
    /// # Panics
    /// If a length is beyond `time`.
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
