use elman_layers::device::max_tensor_bytes;
use elman_recurrence::CellKind;

use crate::{LanguageModel, LmError};

/// Checks that the largest tensor of a window of `rows × steps` fits the device's limit. Without this check the first
/// optimizer step would fail inside a layer.
///
/// # Errors
/// [`LmError::TooLarge`]
pub(crate) fn check(model: &LanguageModel, rows: usize, steps: usize) -> Result<(), LmError> {
    let Some(limit) = max_tensor_bytes(&model.device()) else { return Ok(()) };
    let config = model.config();
    let widest = (values_per_unit(config.cell) * config.d_hidden).max(config.d_embed);
    let row = (steps * widest * size_of::<f32>()) as u64;
    let needed = rows as u64 * row;
    match needed > limit {
        true => Err(LmError::TooLarge { rows, steps, needed, limit, fitting: limit / row }),
        false => Ok(()),
    }
}

/// Values per hidden unit in the input projection or in the values saved for backward, whichever is larger.
fn values_per_unit(cell: CellKind) -> usize {
    match cell {
        CellKind::Elman | CellKind::Rnn => 1,
        CellKind::MinGru => 2,
        CellKind::Gru | CellKind::Lstm | CellKind::MinLstm => 4,
    }
}
