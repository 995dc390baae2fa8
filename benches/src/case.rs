use std::str::FromStr;

use elman::recurrence::CellKind;
use serde::Serialize;

use crate::error::BenchError;

/// The size of a problem: one layer, one direction, with biases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Case {
    pub batch: usize,
    pub time: usize,
    pub d_input: usize,
    pub d_hidden: usize,
}

/// The grid that is measured unless another is asked for: one row at a time, and batches of growing size.
pub(crate) const GRID: [Case; 5] =
    [Case::of(1, 64, 256), Case::of(1, 64, 1024), Case::of(32, 64, 256), Case::of(32, 64, 512), Case::of(64, 256, 512)];

/// A grid that takes no time, to see that everything runs.
pub(crate) const QUICK: [Case; 2] = [Case::of(1, 8, 16), Case::of(4, 8, 16)];

impl Case {
    const fn of(batch: usize, time: usize, width: usize) -> Self {
        Self { batch, time, d_input: width, d_hidden: width }
    }

    /// Billions of floating-point operations of the matrix products of a forward pass, `2·B·T·G·H·(I + H)`; cells that
    /// have no recurrent product do without the `H`, and the simple network's read-out adds `2·B·T·H·H`.
    pub fn forward_gflop(&self, cell: CellKind) -> f64 {
        self.gflop(cell, 1, 1)
    }

    /// The same for a training step: backward needs every product's gradient by its weights, and those by their input
    /// where that is a hidden state. The gradient by the layer's own input is not asked for.
    pub fn training_gflop(&self, cell: CellKind) -> f64 {
        self.gflop(cell, 2, 3)
    }

    /// With products counted as often as said: those of the input, and those of a hidden state.
    fn gflop(&self, cell: CellKind, input: usize, hidden: usize) -> f64 {
        let (gates, recurrent) = match cell {
            CellKind::Simple => (1, 2), // with its read-out
            CellKind::Rnn => (1, 1),
            CellKind::Gru => (3, 3),
            CellKind::Lstm => (4, 4),
            CellKind::MinGru => (2, 0),
            CellKind::MinLstm => (3, 0),
        };
        let per_step =
            gates * input * self.d_input * self.d_hidden + recurrent * hidden * self.d_hidden * self.d_hidden;
        2.0 * (self.batch * self.time) as f64 * per_step as f64 / 1e9
    }
}

impl FromStr for Case {
    type Err = BenchError;

    /// Reads `batch,time,d_input,d_hidden`.
    fn from_str(text: &str) -> Result<Self, BenchError> {
        /// Larger numbers are taken for mistakes.
        const MAX: usize = 1 << 20;
        let numbers: Option<Vec<usize>> = text.split(',').map(|n| n.trim().parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[batch, time, d_input, d_hidden])
                if [batch, time, d_input, d_hidden].iter().all(|n| (1..=MAX).contains(n)) =>
            {
                Ok(Self { batch, time, d_input, d_hidden })
            }
            _ => Err(BenchError::Case { found: text.into() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_four_positive_numbers() {
        let case: Case = "1, 64,256,1024".parse().unwrap();
        assert_eq!(case, Case { batch: 1, time: 64, d_input: 256, d_hidden: 1024 });
        for wrong in ["", "1,2,3", "1,2,3,4,5", "1,2,3,x", "0,2,3,4", "-1,2,3,4", "1,2,3,99999999"] {
            let error = wrong.parse::<Case>().unwrap_err().to_string();
            assert!(error.contains(&format!("'{wrong}'")) && error.lines().count() == 1, "{error}");
        }
    }

    #[test]
    fn operations_are_those_of_the_matrix_products() {
        let case = Case::of(32, 64, 512);
        // 32·64 steps, two operations each for 4·512 rows times 512 inputs and 512 hidden units
        assert_eq!(case.forward_gflop(CellKind::Lstm), 8.589_934_592);
        assert_eq!(case.forward_gflop(CellKind::Gru), 6.442_450_944);
        // forward, then dW of the input; forward, dU and dh of the hidden state
        assert_eq!(case.training_gflop(CellKind::Lstm), 21.474_836_48);
        assert_eq!(case.training_gflop(CellKind::MinGru), case.forward_gflop(CellKind::MinGru) * 2.0);
    }
}
