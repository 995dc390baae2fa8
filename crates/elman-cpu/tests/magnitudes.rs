//! Gates of any size: the kernels against plain loops in float64 where sigmoids are saturated and candidates are large.

mod plain;

use elman_cpu::Isa;
use plain::{Besides, Case, Cell, NAMES, random};

const CELLS: [Cell; 7] =
    [Cell::RnnTanh, Cell::RnnRelu, Cell::Gru, Cell::GruResetBefore, Cell::Lstm, Cell::MinGru, Cell::MinLstm];
/// Of the largest value or gradient: some roundings of float32, the exponential's and the sums'.
const ROUNDING: f64 = 1e-6;
/// Where all gradients are small the slopes of saturated gates count, `1 − y²` and `y (1 − y)` of a rounded y.
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
    /// The last one: of the minimal cells the candidate.
    Last,
    /// The candidate, beside gates of some units.
    LastBesideSome,
}

fn scaled(cell: Cell, size: [usize; 3], magnitude: f32, signs: Signs, large: Large) -> Case {
    let mut case = Case::new(cell, size, false, false, Besides::default());
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
            Large::LastBesideSome => 12.0,
        };
    }
    case
}

/// The largest distance, of the largest of what is expected. Where all are tiny, finite differences tell no more.
fn off(found: &[f32], expected: &[f64]) -> f64 {
    let scale = expected.iter().fold(1e-2, |m: f64, e| m.max(e.abs()));
    let pairs = found.iter().zip(expected);
    pairs.map(|(found, expected)| (f64::from(*found) - expected).abs() / scale).fold(0.0, f64::max)
}

/// The gradients of `Σ by · states` by finite differences of float64, to the fourth order.
fn slopes(case: &Case, by: &[f32], which: usize) -> Vec<f64> {
    let arguments = case.exactly();
    let loss = |n: usize, by_so_much: f64| -> f64 {
        let mut moved = arguments.clone();
        moved[which][n] += by_so_much;
        case.plain(&moved).iter().zip(by).map(|(s, w)| s * f64::from(*w)).sum()
    };
    let slope = |n: usize| {
        let step = 1e-3;
        let difference = |step: f64| loss(n, step) - loss(n, -step);
        (8.0 * difference(step) - difference(2.0 * step)) / (12.0 * step)
    };
    (0..arguments[which].len()).map(slope).collect()
}

#[test]
fn large_gates_and_candidates_lose_nothing() {
    let mut failed = Vec::new();
    for cell in CELLS {
        let allowed = if cell.kernel().is_recurrent() { SATURATED } else { ROUNDING };
        for magnitude in [1.0, 100.0, 1000.0, 10_000.0] {
            let mut worst = [0.0f64; 2];
            for signs in [Signs::Both, Signs::Positive, Signs::Negative] {
                for large in [Large::All, Large::Last, Large::LastBesideSome] {
                    for size in [[4, 2, 5], [3, 1, 17]] {
                        let case = scaled(cell, size, magnitude, signs, large);
                        let expected = case.plain(&case.exactly());
                        let by = random(expected.len(), &mut 5);
                        // by the input and by the state before
                        let slopes = [0, 3].map(|which| (which, slopes(&case, &by, which)));
                        for isa in Isa::available() {
                            let values = off(&case.forward(isa, 1, true).0, &expected);
                            let found = case.backward(isa, 1, &by);
                            let what = format!("{cell:?} {isa} {magnitude} {signs:?} {large:?} {size:?}");
                            if values > ROUNDING {
                                failed.push(format!("{what}: {values:.1e}"));
                            }
                            worst[0] = worst[0].max(values);
                            for (which, slopes) in &slopes {
                                let off = off(&found[*which], slopes);
                                worst[1] = worst[1].max(off);
                                if off > allowed {
                                    failed.push(format!("{what}: by the {} {off:.1e}", NAMES[*which]));
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
