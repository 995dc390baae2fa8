use elman::recurrence::CellKind;

use crate::{
    layer::Pass,
    variant::{Problem, Work},
};

/// GFLOP of the matrix products of a pass.
///
/// Forward: `2·S·D·G·H·(I + H)` for `S` time steps over all rows, `D` directions and `G` gates. Cells without a
/// recurrent product omit the `H` in parentheses; the Elman network's readout adds `2·S·D·H·H`. Backward adds the
/// gradient of every product with respect to its weights, and with respect to its input if that is a hidden state; the
/// gradient with respect to the layer's input is not computed.
pub(crate) fn gflop(problem: &Problem, pass: Pass) -> f64 {
    if problem.work == Work::ReadWeights {
        return 0.0;
    }
    let layer = &problem.layer;
    let (gates, recurrent) = products(layer.cell);
    // how many times the products of the input and those of a hidden state are computed
    let (input, hidden) = match pass {
        Pass::Forward => (1, 1),
        Pass::Training => (2, 3),
    };
    let per_unit = gates * input * layer.d_input + recurrent * hidden * layer.d_hidden;
    let directions = 1 + usize::from(layer.bidirectional);
    2.0 * problem.steps() as f64 * (directions * layer.d_hidden * per_unit) as f64 / 1e9
}

/// Number of `H`-row blocks in the input weights and in the weights of hidden states.
pub(crate) fn products(cell: CellKind) -> (usize, usize) {
    match cell {
        CellKind::Elman => (1, 2), // with the readout
        CellKind::Rnn => (1, 1),
        CellKind::Gru => (3, 3),
        CellKind::Lstm => (4, 4),
        CellKind::MinGru => (2, 0),
        CellKind::MinLstm => (3, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{case::Case, variant::Variant};

    fn gflop_of(variant: &str, cell: CellKind, pass: Pass) -> f64 {
        let variant: Variant = variant.parse().unwrap();
        gflop(&variant.problem(cell, Case::square(32, 64, 512)).unwrap(), pass)
    }

    #[test]
    fn operations_count_the_matrix_products() {
        // 32·64 steps, 2 operations for each of 4·512 rows × (512 inputs + 512 hidden units)
        assert_eq!(gflop_of("plain", CellKind::Lstm, Pass::Forward), 8.589_934_592);
        assert_eq!(gflop_of("plain", CellKind::Gru, Pass::Forward), 6.442_450_944);
        // forward, then dW of the input; forward, dU and dh of the hidden state
        assert_eq!(gflop_of("plain", CellKind::Lstm, Pass::Training), 21.474_836_48);
        assert_eq!(
            gflop_of("plain", CellKind::MinGru, Pass::Training),
            gflop_of("plain", CellKind::MinGru, Pass::Forward) * 2.0
        );
    }

    #[test]
    fn operations_depend_on_the_variant() {
        let plain = gflop_of("plain", CellKind::Lstm, Pass::Forward);
        assert_eq!(gflop_of("bidirectional", CellKind::Lstm, Pass::Forward), plain * 2.0);
        let ragged: Variant = "ragged".parse().unwrap();
        let steps = ragged.problem(CellKind::Lstm, Case::square(32, 64, 512)).unwrap().steps();
        assert!(steps < 32 * 64);
        let share = gflop_of("ragged", CellKind::Lstm, Pass::Forward) / plain;
        assert!((share - steps as f64 / (32.0 * 64.0)).abs() < 1e-9, "{share}");
    }
}
