//! Large gates: the kernels against plain loops in f64, with saturated sigmoids and large candidates.

mod plain;

use elman_cpu::Isa;
use plain::{Case, Cell, NAMES, Options, random};

const CELLS: [Cell; 7] =
    [Cell::RnnTanh, Cell::RnnRelu, Cell::Gru, Cell::GruResetBefore, Cell::Lstm, Cell::MinGru, Cell::MinLstm];
/// Relative to the largest value or gradient: a few f32 roundings of exponentials and sums.
const ROUNDING: f64 = 1e-6;
/// If all gradients are small, the rounding of y in the derivatives `1 − y²` and `y (1 − y)` of saturated gates
/// dominates.
const SATURATED: f64 = 5e-6;

#[derive(Clone, Copy, Debug)]
enum Signs {
    Both,
    Positive,
    Negative,
}

/// Which gates are large.
#[derive(Clone, Copy, Debug)]
enum Large {
    All,
    /// The last gate, which is the candidate of the minimal cells.
    Last,
    /// The last gate, with the other gates up to 12.
    LastWithModerateOthers,
}

fn scaled(cell: Cell, size: [usize; 3], magnitude: f32, signs: Signs, large: Large) -> Case {
    let mut case = Case::new(cell, size, false, false, Options::default());
    let (gates, hidden) = (case.kernel.gates(), case.hidden);
    for (n, x) in case.arguments[0].iter_mut().enumerate() {
        *x = match signs {
            Signs::Both => *x,
            Signs::Positive => x.abs(),
            Signs::Negative => -x.abs(),
        };
        *x *= match large {
            Large::All => magnitude,
            _ if n / hidden % gates == gates - 1 => magnitude,
            Large::Last => 1.0,
            Large::LastWithModerateOthers => 12.0,
        };
    }
    case
}

/// The maximum error relative to the largest expected value, or to 1e-2 if all are smaller, where finite differences
/// are not more precise.
fn relative_error(found: &[f32], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(1e-2, |m: f64, e| m.max(e.abs()));
    let pairs = found.iter().zip(expected);
    pairs.map(|(found, expected)| (f64::from(*found) - expected).abs() / scale).fold(0.0, f64::max)
}

/// The gradients of `Σ weights · states` by fourth-order finite differences in f64.
fn slopes(case: &Case, weights: &[f32], which: usize) -> Vec<f64> {
    let arguments = case.arguments_f64();
    let loss = |n: usize, offset: f64| -> f64 {
        let mut moved = arguments.clone();
        moved[which][n] += offset;
        case.plain(&moved).iter().zip(weights).map(|(s, w)| s * f64::from(*w)).sum()
    };
    let slope = |n: usize| {
        let step = 1e-3;
        let difference = |step: f64| loss(n, step) - loss(n, -step);
        (8.0 * difference(step) - difference(2.0 * step)) / (12.0 * step)
    };
    (0..arguments[which].len()).map(slope).collect()
}

#[test]
fn large_gates_and_candidates_are_precise() {
    let mut failed = Vec::new();
    for cell in CELLS {
        let allowed = if cell.kernel().is_recurrent() { SATURATED } else { ROUNDING };
        for magnitude in [1.0, 100.0, 1000.0, 10_000.0] {
            let mut worst = [0.0f64; 2];
            for signs in [Signs::Both, Signs::Positive, Signs::Negative] {
                for large in [Large::All, Large::Last, Large::LastWithModerateOthers] {
                    for size in [[4, 2, 5], [3, 1, 17]] {
                        let case = scaled(cell, size, magnitude, signs, large);
                        let expected = case.plain(&case.arguments_f64());
                        let gradient = random(expected.len(), &mut 5);
                        // with respect to the input and the initial state
                        let slopes = [0, 3].map(|which| (which, slopes(&case, &gradient, which)));
                        for isa in Isa::available() {
                            let values = relative_error(&case.forward(isa, 1, true).0, &expected);
                            let found = case.backward(isa, 1, &gradient);
                            let what = format!("{cell:?} {isa} {magnitude} {signs:?} {large:?} {size:?}");
                            if values > ROUNDING {
                                failed.push(format!("{what}: {values:.1e}"));
                            }
                            worst[0] = worst[0].max(values);
                            for (which, slopes) in &slopes {
                                let error = relative_error(&found[*which], slopes);
                                worst[1] = worst[1].max(error);
                                if error > allowed {
                                    failed.push(format!("{what}: gradient of {} {error:.1e}", NAMES[*which]));
                                }
                            }
                        }
                    }
                }
            }
            println!("{cell:?} {magnitude}: values {:.1e}, gradients {:.1e}", worst[0], worst[1]);
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
