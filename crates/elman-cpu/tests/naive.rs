//! The kernels against plain loops in float64, and their gradients against finite differences of these loops: every cell,
//! every variant, both directions, ragged and full batches, sizes that fill no register, every instruction set, one thread
//! and several.

mod plain;

use elman_cpu::Isa;
use plain::{Besides, Case, Cell, NAMES, Zoned, assert_close, random};

/// float32 rounding over the time steps of these tests, relative to values of size 1.
const VALUES: f64 = 4e-6;
/// Gradients sum over rows and time, so they are larger; and finite differences are themselves off by 1e-8 or so.
const GRADIENTS: f64 = 3e-5;

const PLAIN: Besides = Besides { projection: None, norm: false, dropout: false, zoneout: None };

/// Each variant by itself, and all of them together; of a cell without a recurrent product only what it has.
fn variants(cell: Cell) -> Vec<Besides> {
    let [masks, rates] = [Zoned::Masks, Zoned::Rates].map(|zoned| Besides { zoneout: Some(zoned), ..PLAIN });
    let mut all = vec![PLAIN, masks, rates];
    if cell.kernel().is_recurrent() {
        let (norm, dropout) = (Besides { norm: true, ..PLAIN }, Besides { dropout: true, ..PLAIN });
        all.extend([norm, dropout, Besides { norm: true, dropout: true, ..masks }]);
    }
    if cell.kernel().has_projection() {
        let projected = |besides| Besides { projection: Some(5), ..besides };
        all.extend([projected(PLAIN), projected(masks), projected(Besides { norm: true, dropout: true, ..masks })]);
    }
    all
}

fn values(cell: Cell) {
    for besides in variants(cell) {
        for hidden in [1, 7, 31, 33] {
            for batch in [1, 3, 33] {
                for (time, reverse, ragged) in [(1, false, false), (2, true, false), (5, false, true), (5, true, true)]
                {
                    let case = Case::new(cell, [time, batch, hidden], reverse, ragged, besides);
                    let expected = case.plain(&case.exactly());
                    for isa in Isa::available() {
                        for (threads, save) in [(1, true), (2, true), (1, false)] {
                            let (states, saved) = case.forward(isa, threads, save);
                            let what =
                                format!("{cell:?} {besides:?} {isa} H{hidden} B{batch} T{time} threads {threads}");
                            assert_close(&what, &states, &expected, VALUES);
                            assert!(
                                !save || ragged || !saved.iter().any(|value| value.is_nan()),
                                "{what}: all is saved"
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
    for besides in variants(cell) {
        for (size, reverse, ragged) in
            [([1, 1, 1], false, false), ([4, 2, 3], false, true), ([3, 3, 9], true, true), ([3, 5, 5], true, false)]
        {
            let case = Case::new(cell, size, reverse, ragged, besides);
            let arguments = case.exactly();
            let by = random(case.plain(&arguments).len(), &mut 5);
            let loss = |arguments: &[Vec<f64>; 6]| -> f64 {
                case.plain(arguments).iter().zip(&by).map(|(s, w)| s * f64::from(*w)).sum()
            };
            let slope = |which: usize, n: usize| {
                let mut moved = arguments.clone();
                let [up, down] = [STEP, -STEP].map(|by| {
                    moved[which][n] = arguments[which][n] + by;
                    loss(&moved)
                });
                (up - down) / (2.0 * STEP)
            };
            let expected: Vec<Vec<f64>> =
                (0..6).map(|which| (0..arguments[which].len()).map(|n| slope(which, n)).collect()).collect();
            for isa in Isa::available() {
                let found = case.backward(isa, 1, &by);
                for ((found, expected), name) in found.iter().zip(&expected).zip(NAMES) {
                    let what = format!("{cell:?} {besides:?} {isa} {size:?}: {name}");
                    assert_close(&what, found, expected, GRADIENTS);
                }
            }
        }
    }
}

/// Large enough for threads: rows shared, and units shared with a barrier at every step.
fn threads(cell: Cell) {
    let time = if cell.kernel().is_recurrent() { 6 } else { 60 };
    for besides in variants(cell) {
        for batch in [1, 2, 16] {
            let besides = Besides { projection: besides.projection.map(|_| 515), ..besides };
            let case = Case::new(cell, [time, batch, 768], false, batch == 16, besides);
            let expected = case.plain(&case.exactly());
            let isa = Isa::best();
            let gradient = random(expected.len(), &mut 5);
            let walk = |threads: usize| (case.forward(isa, threads, false).0, case.backward(isa, threads, &gradient));
            let alone = walk(1);
            assert_close(&format!("{cell:?} {besides:?} {isa} B{batch}"), &alone.0, &expected, VALUES);
            for threads in [2, 3] {
                let together = walk(threads);
                assert!(together == walk(threads), "the same bits each time");
                let f = |values: &[f32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<_>>();
                let what = format!("{cell:?} {besides:?} {isa} B{batch} threads {threads}");
                assert_close(&what, &together.0, &f(&alone.0), VALUES);
                for ((found, expected), name) in together.1.iter().zip(&alone.1).zip(NAMES) {
                    assert_close(&format!("{what}: {name}"), found, &f(expected), GRADIENTS);
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
        fn threads_change_nothing() {
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
