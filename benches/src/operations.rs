use elman::recurrence::CellKind;

use crate::{
    layer::Pass,
    variant::{Problem, Work},
};

/// Billions of floating-point operations of the matrix products that a pass needs.
///
/// Forward, those are `2·S·D·G·H·(I + H)` for `S` steps of all rows together, `D` directions and `G` gates; cells that
/// have no recurrent product do without the `H`, and the simple network's read-out adds `2·S·D·H·H`. Backward needs
/// every product's gradient by its weights, and that by its input where this is a hidden state; the gradient by the
/// layer's own input is not asked for.
pub(crate) fn gflop(problem: &Problem, pass: Pass) -> f64 {
    if problem.work == Work::ReadWeights {
        return 0.0;
    }
    let layer = &problem.layer;
    let (gates, recurrent) = products(layer.cell);
    // how often the products of the input are made, and those of a hidden state
    let (input, hidden) = match pass {
        Pass::Forward => (1, 1),
        Pass::Training => (2, 3),
    };
    let per_unit = gates * input * layer.d_input + recurrent * hidden * layer.d_hidden;
    let directions = 1 + usize::from(layer.bidirectional);
    2.0 * problem.steps() as f64 * (directions * layer.d_hidden * per_unit) as f64 / 1e9
}

/// How many blocks of `H` rows the weights of the input have, and those of hidden states.
pub(crate) fn products(cell: CellKind) -> (usize, usize) {
    match cell {
        CellKind::Elman => (1, 2), // with its read-out
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

    fn of(variant: &str, cell: CellKind, pass: Pass) -> f64 {
        let variant: Variant = variant.parse().unwrap();
        gflop(&variant.problem(cell, Case::of(32, 64, 512)).unwrap(), pass)
    }

    #[test]
    fn operations_are_those_of_the_matrix_products() {
        // 32·64 steps, two operations each for 4·512 rows times 512 inputs and 512 hidden units
        assert_eq!(of("plain", CellKind::Lstm, Pass::Forward), 8.589_934_592);
        assert_eq!(of("plain", CellKind::Gru, Pass::Forward), 6.442_450_944);
        // forward, then dW of the input; forward, dU and dh of the hidden state
        assert_eq!(of("plain", CellKind::Lstm, Pass::Training), 21.474_836_48);
        assert_eq!(of("plain", CellKind::MinGru, Pass::Training), of("plain", CellKind::MinGru, Pass::Forward) * 2.0);
    }

    #[test]
    fn a_variant_needs_its_own() {
        let plain = of("plain", CellKind::Lstm, Pass::Forward);
        assert_eq!(of("bidirectional", CellKind::Lstm, Pass::Forward), plain * 2.0);
        let ragged: Variant = "ragged".parse().unwrap();
        let steps = ragged.problem(CellKind::Lstm, Case::of(32, 64, 512)).unwrap().steps();
        assert!(steps < 32 * 64);
        let share = of("ragged", CellKind::Lstm, Pass::Forward) / plain;
        assert!((share - steps as f64 / (32.0 * 64.0)).abs() < 1e-9, "{share}");
    }
}
