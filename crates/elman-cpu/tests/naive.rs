//! The kernels against plain loops in f64, and their gradients against finite differences of these loops: every cell,
//! all options, both directions, ragged and full batches, sizes that do not fill a register, every instruction set, one
//! and several threads.

mod plain;

use elman_cpu::Isa;
use plain::{Case, Cell, NAMES, Options, ZoneoutKind, assert_close, random};

/// f32 rounding over the time steps of these tests, relative to values of size 1.
const VALUES: f64 = 4e-6;
/// Gradients are sums over rows and time and so larger, and finite differences have an error of about 1e-8.
const GRADIENTS: f64 = 3e-5;

const PLAIN: Options = Options { projection: None, norm: false, dropout: false, zoneout: None };

/// Each option by itself, and all of them together, as far as the cell supports them.
fn variants(cell: Cell) -> Vec<Options> {
    let [masks, rates] =
        [ZoneoutKind::Masks, ZoneoutKind::Rates].map(|zoneout| Options { zoneout: Some(zoneout), ..PLAIN });
    let mut all = vec![PLAIN, masks, rates];
    if cell.kernel().is_recurrent() {
        let (norm, dropout) = (Options { norm: true, ..PLAIN }, Options { dropout: true, ..PLAIN });
        all.extend([norm, dropout, Options { norm: true, dropout: true, ..masks }]);
    }
    if cell.kernel().has_projection() {
        let projected = |options| Options { projection: Some(5), ..options };
        all.extend([projected(PLAIN), projected(masks), projected(Options { norm: true, dropout: true, ..masks })]);
    }
    all
}

fn values(cell: Cell) {
    for options in variants(cell) {
        for hidden in [1, 7, 31, 33] {
            for batch in [1, 3, 33] {
                for (time, reverse, ragged) in [(1, false, false), (2, true, false), (5, false, true), (5, true, true)]
                {
                    let case = Case::new(cell, [time, batch, hidden], reverse, ragged, options);
                    let expected = case.plain(&case.arguments_f64());
                    for isa in Isa::available() {
                        for (threads, save) in [(1, true), (2, true), (1, false)] {
                            let (states, saved) = case.forward(isa, threads, save);
                            let what =
                                format!("{cell:?} {options:?} {isa} H{hidden} B{batch} T{time} threads {threads}");
                            assert_close(&what, &states, &expected, VALUES);
                            assert!(
                                !save || ragged || !saved.iter().any(|value| value.is_nan()),
                                "{what}: unwritten saved values"
                            );
                        }
                    }
                }
            }
        }
    }
}

fn gradients(cell: Cell) {
    const STEP: f64 = 1e-5;
    for options in variants(cell) {
        for (size, reverse, ragged) in
            [([1, 1, 1], false, false), ([4, 2, 3], false, true), ([3, 3, 9], true, true), ([3, 5, 5], true, false)]
        {
            let case = Case::new(cell, size, reverse, ragged, options);
            let arguments = case.arguments_f64();
            let gradient = random(case.plain(&arguments).len(), &mut 5);
            let loss = |arguments: &[Vec<f64>; 6]| -> f64 {
                case.plain(arguments).iter().zip(&gradient).map(|(s, w)| s * f64::from(*w)).sum()
            };
            let slope = |which: usize, n: usize| {
                let mut moved = arguments.clone();
                let [up, down] = [STEP, -STEP].map(|step| {
                    moved[which][n] = arguments[which][n] + step;
                    loss(&moved)
                });
                (up - down) / (2.0 * STEP)
            };
            let expected: Vec<Vec<f64>> =
                (0..6).map(|which| (0..arguments[which].len()).map(|n| slope(which, n)).collect()).collect();
            for isa in Isa::available() {
                let found = case.backward(isa, 1, &gradient);
                for ((found, expected), name) in found.iter().zip(&expected).zip(NAMES) {
                    let what = format!("{cell:?} {options:?} {isa} {size:?}: {name}");
                    assert_close(&what, found, expected, GRADIENTS);
                }
            }
        }
    }
}

/// Sizes large enough for several threads, which divide the rows, or the units with a barrier at every step.
fn threads(cell: Cell) {
    let time = if cell.kernel().is_recurrent() { 6 } else { 60 };
    for options in variants(cell) {
        for batch in [1, 2, 16] {
            let options = Options { projection: options.projection.map(|_| 515), ..options };
            let case = Case::new(cell, [time, batch, 768], false, batch == 16, options);
            let expected = case.plain(&case.arguments_f64());
            let isa = Isa::best();
            let gradient = random(expected.len(), &mut 5);
            let run = |threads: usize| (case.forward(isa, threads, false).0, case.backward(isa, threads, &gradient));
            let single = run(1);
            assert_close(&format!("{cell:?} {options:?} {isa} B{batch}"), &single.0, &expected, VALUES);
            for threads in [2, 3] {
                let multi = run(threads);
                assert!(multi == run(threads), "results are deterministic");
                let to_f64 = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
                let what = format!("{cell:?} {options:?} {isa} B{batch} threads {threads}");
                assert_close(&what, &multi.0, &to_f64(&single.0), VALUES);
                for ((found, expected), name) in multi.1.iter().zip(&single.1).zip(NAMES) {
                    assert_close(&format!("{what}: {name}"), found, &to_f64(expected), GRADIENTS);
                }
            }
        }
    }
}

macro_rules! cells {
    ($($name:ident: $cell:expr;)*) => { $(mod $name {
        use super::*;

        #[test]
        fn states_equal_plain_loops() {
            values($cell);
        }

        #[test]
        fn gradients_equal_finite_differences() {
            gradients($cell);
        }

        #[test]
        fn threads_do_not_change_results() {
            threads($cell);
        }
    })* };
}

cells! {
    rnn_tanh: Cell::RnnTanh;
    rnn_relu: Cell::RnnRelu;
    gru: Cell::Gru;
    gru_reset_before: Cell::GruResetBefore;
    lstm: Cell::Lstm;
    min_gru: Cell::MinGru;
    min_lstm: Cell::MinLstm;
}
