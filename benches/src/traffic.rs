use elman::{
    burn::tensor::FloatDType,
    recurrence::{CellKind, packed::WeightDtype},
};

use crate::{
    layer::Pass,
    operations::products,
    variant::{Problem, Work},
};

/// Lower bound of the memory traffic of a pass of elman's layer in 10⁹ bytes, if values that are reused soon stay in
/// cache: `S` time steps over all rows, `I` inputs, `D` directions, `H` hidden units.
///
/// Forward reads the input `S·I` and the parameters once, and writes the output, `S·D·H` or the readout's `S·H`.
/// Training also writes the saved values ([`saved`]); backward reads them, the output, its gradient, the input, and the
/// recurrent weights, and writes the gradients of the parameters.
pub(crate) fn gigabytes(problem: &Problem, pass: Pass) -> f64 {
    let layer = &problem.layer;
    let directions = 1 + usize::from(layer.bidirectional);
    let states = problem.steps() * directions * layer.d_hidden;
    let input = problem.steps() * layer.d_input;
    let output = match layer.cell {
        CellKind::Elman => problem.steps() * layer.d_hidden, // one readout of both directions
        _ => states,
    };
    let Parameters { all, recurrent } = Parameters::new(problem);
    let float = if problem.stored == FloatDType::F32 { 4 } else { 2 };
    let forward = (input + output) * float;
    let bytes = match (problem.work, pass) {
        (Work::ReadWeights, _) => problem.case.time * all * float,
        (Work::Packed(weight_dtype), _) => forward + all * bytes(weight_dtype),
        (Work::Run, Pass::Forward) => forward + all * float,
        (Work::Run, Pass::Training) => {
            let saved = saved(layer.cell) * states;
            let backward = input + 2 * output + saved + recurrent + all;
            forward + (all + saved + backward) * float
        }
    };
    bytes as f64 / 1e9
}

fn bytes(weight_dtype: WeightDtype) -> usize {
    match weight_dtype {
        WeightDtype::F32 => 4,
        WeightDtype::Bf16 => 2,
        WeightDtype::Int8 => 1,
    }
}

/// Values that a hidden unit saves per time step in addition to its output: a second state, and the gates.
fn saved(cell: CellKind) -> usize {
    match cell {
        CellKind::Rnn => 0,
        CellKind::Elman => 1, // the hidden state, from which the readout computes the output
        CellKind::Gru => 4,   // including the candidate's recurrent product, which the reset gate scales
        CellKind::Lstm => 5,
        CellKind::MinGru => 2,
        CellKind::MinLstm => 4,
    }
}

/// Parameter counts of a layer.
struct Parameters {
    all: usize,
    /// Weights of the previous state, and of a readout.
    recurrent: usize,
}

impl Parameters {
    fn new(problem: &Problem) -> Self {
        let layer = &problem.layer;
        let (i, h) = (layer.d_input, layer.d_hidden);
        let directions = 1 + usize::from(layer.bidirectional);
        let (input, state) = products(layer.cell);
        let biases = match layer.cell {
            CellKind::Elman => directions + 1, // of each hidden state, and of their readout
            _ => directions * (input + state),
        };
        let recurrent = directions * state * h * h;
        Self { all: recurrent + directions * input * h * i + biases * h, recurrent }
    }
}

#[cfg(test)]
mod tests {
    use elman::burn::module::Module;

    use super::*;
    use crate::{case::Case, variant::Variant};

    fn problem(variant: &str, cell: CellKind, case: Case) -> Problem {
        variant.parse::<Variant>().unwrap().problem(cell, case).unwrap()
    }

    #[test]
    fn parameter_count_matches_the_layer() {
        let device = elman::device("auto").unwrap();
        for variant in ["plain", "bidirectional"] {
            for cell in CellKind::ALL {
                let problem = problem(variant, cell, "2,3,4,5".parse().unwrap());
                let found = problem.layer.init(&device).num_params();
                assert_eq!(Parameters::new(&problem).all, found, "{cell} {variant}");
            }
        }
    }

    #[test]
    fn traffic_counts_each_read_and_write_once() {
        let case: Case = "32,64,256,512".parse().unwrap();
        let elements = |variant: &str, cell, pass| gigabytes(&problem(variant, cell, case), pass) * 1e9 / 4.0;
        let (input, states) = (32.0 * 64.0 * 256.0, 32.0 * 64.0 * 512.0);
        let recurrent = 4.0 * 512.0 * 512.0;
        let weights = recurrent + 4.0 * 512.0 * 256.0 + 8.0 * 512.0;
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1.0, "{found}, expected {expected}");
        close(elements("plain", CellKind::Lstm, Pass::Forward), input + states + weights);
        // forward, 5 saved values; backward: those, output and its gradient, input, weights read, gradients written
        let trained = input + states + weights + 5.0 * states + 7.0 * states + input + recurrent + weights;
        close(elements("plain", CellKind::Lstm, Pass::Training), trained);
        close(elements("packed-bf16", CellKind::Lstm, Pass::Forward), input + states + weights / 2.0);
        close(elements("read-weights", CellKind::Lstm, Pass::Forward), 64.0 * weights);
        close(elements("bidirectional", CellKind::Lstm, Pass::Forward), input + 2.0 * (states + weights));
        let ragged = problem("ragged", CellKind::Lstm, case).steps() as f64;
        close(elements("ragged", CellKind::Lstm, Pass::Forward), ragged * (256.0 + 512.0) + weights);
    }
}
