use elman::{
    burn::tensor::FloatDType,
    recurrence::{CellKind, packed::WeightDtype},
};

use crate::{
    layer::Pass,
    operations::products,
    variant::{Problem, Work},
};

/// 10⁹ bytes that a pass of elman's layer has to read and write at least, if all that is used again soon is found in a
/// cache: `S` steps of all rows together, `I` inputs, `D` directions, `H` hidden units.
///
/// Forward reads the input `S·I` and the parameters, once, and writes the output, `S·D·H` or the read-out's `S·H`. Training also
/// writes what the cell saves for the walk back ([`saved`]); the walk back reads that, the output, its gradient, the input, and
/// the recurrent weights, and writes the parameters' gradients.
pub(crate) fn gigabytes(problem: &Problem, pass: Pass) -> f64 {
    let layer = &problem.layer;
    let directions = 1 + usize::from(layer.bidirectional);
    let states = problem.steps() * directions * layer.d_hidden;
    let input = problem.steps() * layer.d_input;
    let output = match layer.cell {
        CellKind::Elman => problem.steps() * layer.d_hidden, // one read-out of both directions
        _ => states,
    };
    let Parameters { all, recurrent } = Parameters::of(problem);
    let float = if problem.stored == FloatDType::F32 { 4 } else { 2 };
    let forward = (input + output) * float;
    let bytes = match (problem.work, pass) {
        (Work::ReadWeights, _) => problem.case.time * all * float,
        (Work::Packed(precision), _) => forward + all * bytes(precision),
        (Work::Run, Pass::Forward) => forward + all * float,
        (Work::Run, Pass::Training) => {
            let saved = saved(layer.cell) * states;
            let back = input + 2 * output + saved + recurrent + all;
            forward + (all + saved + back) * float
        }
    };
    bytes as f64 / 1e9
}

fn bytes(precision: WeightDtype) -> usize {
    match precision {
        WeightDtype::F32 => 4,
        WeightDtype::Bf16 => 2,
        WeightDtype::Int8 => 1,
    }
}

/// Numbers that a unit saves in a time step besides its output: a second state, and the gates.
fn saved(cell: CellKind) -> usize {
    match cell {
        CellKind::Rnn => 0,
        CellKind::Elman => 1, // the hidden state, of which the output is read out
        CellKind::Gru => 4,   // the candidate's recurrent product too, which the reset gate scales
        CellKind::Lstm => 5,
        CellKind::MinGru => 2,
        CellKind::MinLstm => 4,
    }
}

/// How many numbers a layer has to read.
struct Parameters {
    all: usize,
    /// Weights of the previous state, and of a read-out.
    recurrent: usize,
}

impl Parameters {
    fn of(problem: &Problem) -> Self {
        let layer = &problem.layer;
        let (i, h) = (layer.d_input, layer.d_hidden);
        let directions = 1 + usize::from(layer.bidirectional);
        let (input, state) = products(layer.cell);
        let biases = match layer.cell {
            CellKind::Elman => directions + 1, // of each hidden state, and of their read-out
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
    fn parameters_are_those_of_the_layer() {
        let device = elman::device("auto").unwrap();
        for variant in ["plain", "bidirectional"] {
            for cell in CellKind::ALL {
                let problem = problem(variant, cell, "2,3,4,5".parse().unwrap());
                let found = problem.layer.init(&device).num_params();
                assert_eq!(Parameters::of(&problem).all, found, "{cell} {variant}");
            }
        }
    }

    #[test]
    fn a_pass_moves_what_it_reads_and_writes_once() {
        let case: Case = "32,64,256,512".parse().unwrap();
        let of = |variant: &str, cell, pass| gigabytes(&problem(variant, cell, case), pass) * 1e9 / 4.0;
        let (input, states) = (32.0 * 64.0 * 256.0, 32.0 * 64.0 * 512.0);
        let recurrent = 4.0 * 512.0 * 512.0;
        let weights = recurrent + 4.0 * 512.0 * 256.0 + 8.0 * 512.0;
        let close = |found: f64, expected: f64| assert!((found - expected).abs() < 1.0, "{found}, expected {expected}");
        close(of("plain", CellKind::Lstm, Pass::Forward), input + states + weights);
        // forward, five numbers saved; back, they and the output with its gradient, the input, weights in, gradients out
        let trained = input + states + weights + 5.0 * states + 7.0 * states + input + recurrent + weights;
        close(of("plain", CellKind::Lstm, Pass::Training), trained);
        close(of("packed-bf16", CellKind::Lstm, Pass::Forward), input + states + weights / 2.0);
        close(of("read-weights", CellKind::Lstm, Pass::Forward), 64.0 * weights);
        close(of("bidirectional", CellKind::Lstm, Pass::Forward), input + 2.0 * (states + weights));
        let ragged = problem("ragged", CellKind::Lstm, case).steps() as f64;
        close(of("ragged", CellKind::Lstm, Pass::Forward), ragged * (256.0 + 512.0) + weights);
    }
}
