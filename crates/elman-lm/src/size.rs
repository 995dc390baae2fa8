use elman_layers::device::max_tensor_bytes;
use elman_recurrence::CellKind;

use crate::{LanguageModel, LmError};

/// That the device has tensors as large as a window of so many rows and steps needs: otherwise the first step would fail, in the
/// middle of a layer.
///
/// # Errors
/// [`LmError::TooLarge`]
pub(crate) fn check(model: &LanguageModel, rows: usize, steps: usize) -> Result<(), LmError> {
    let Some(limit) = max_tensor_bytes(&model.device()) else { return Ok(()) };
    let config = model.config();
    let widest = (per_unit(config.cell) * config.d_hidden).max(config.d_embed);
    let row = (steps * widest * size_of::<f32>()) as u64;
    let needed = rows as u64 * row;
    match needed > limit {
        true => Err(LmError::TooLarge { rows, steps, needed, limit, fitting: limit / row }),
        false => Ok(()),
    }
}

/// Numbers that a unit has in the input product, or in what is kept for the way back.
fn per_unit(cell: CellKind) -> usize {
    match cell {
        CellKind::Elman | CellKind::Rnn => 1,
        CellKind::MinGru => 2,
        CellKind::Gru | CellKind::Lstm | CellKind::MinLstm => 4,
    }
}
