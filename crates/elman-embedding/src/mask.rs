//! Ragged batches.

use burn::tensor::{Bool, Int, Tensor, TensorData};

/// Replaces the values past the end of each row with `value`. Outputs are zero there, which would distort a maximum.
///
/// # Shapes
/// - `x`: `[batch, time, width]`
/// - `lengths`: `[batch]`
pub(crate) fn mask_past_lengths(x: Tensor<3>, lengths: &[usize], value: f32) -> Tensor<3> {
    let [rows, time, width] = x.dims();
    if lengths.iter().all(|length| *length == time) {
        return x;
    }
    let past: Vec<bool> = lengths.iter().flat_map(|length| (0..time).map(move |t| t >= *length)).collect();
    let past = Tensor::<3, Bool>::from_data(TensorData::new(past, [rows, time, 1]), &x.device());
    x.mask_fill(past.expand([rows, time, width]), value)
}

/// The last time step of each row, `[batch, width]`.
pub(crate) fn last_steps(x: Tensor<3>, lengths: &[usize]) -> Tensor<2> {
    let [rows, time, width] = x.dims();
    let indices: Vec<i32> = lengths.iter().enumerate().map(|(row, length)| (row * time + length - 1) as i32).collect();
    let indices = Tensor::<1, Int>::from_data(TensorData::new(indices, [rows]), &x.device());
    x.reshape([rows * time, width]).select(0, indices)
}
