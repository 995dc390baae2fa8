//! The results of a row are bitwise equal for any batch size, position in the batch, lengths and number of threads.

mod plain;

use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, PackedLinear, SequenceBatch, WeightDtype, Workspace};
use plain::{Cell, EPSILON, random};

const TIME: usize = 5;
const INPUTS: usize = 37;
/// Sizes around the maximum blocks of the instruction sets, and blocks of one and two rows.
const BATCHES: [usize; 8] = [1, 2, 3, 4, 5, 7, 9, 17];

struct Row {
    x: Vec<f32>,
    state: Vec<f32>,
    length: usize,
}

/// The bits of the hidden states `[T·P]` and of the final states of each row.
fn forward(layer: &PackedLayer, threads: usize, rows: &[&Row]) -> Vec<[Vec<u32>; 2]> {
    let (batch, output) = (rows.len(), layer.outputs());
    let mut x = Vec::new();
    for t in 0..TIME {
        // inputs after the end of a row must not be read
        rows.iter().for_each(|row| match t < row.length {
            true => x.extend(&row.x[t * INPUTS..][..INPUTS]),
            false => x.extend([f32::NAN; INPUTS]),
        });
    }
    // the widths of the hidden state and of the second state
    let widths = [output, layer.state_len(1) - output];
    let mut state = Vec::new();
    let mut start = 0;
    for width in widths {
        rows.iter().for_each(|row| state.extend(&row.state[start..][..width]));
        start += width;
    }
    let lengths: Vec<usize> = rows.iter().map(|row| row.length).collect();
    let mut into = vec![f32::NAN; TIME * batch * output];
    let sequences = SequenceBatch { time: TIME, batch, lengths: Some(&lengths), x: &x };
    layer.forward(threads, sequences, &mut state, &mut into, &mut Workspace::default());
    let row_bits = |row: usize| {
        let hidden = (0..TIME).flat_map(|t| &into[(t * batch + row) * output..][..output]).map(|v| v.to_bits());
        let first = &state[row * widths[0]..][..widths[0]];
        let second = &state[batch * widths[0] + row * widths[1]..][..widths[1]];
        [hidden.collect(), first.iter().chain(second).map(|v| v.to_bits()).collect()]
    };
    (0..batch).map(row_bits).collect()
}

fn layer(cell: Cell, hidden: usize, output: Option<usize>, norm: bool, isa: Isa, dtype: WeightDtype) -> PackedLayer {
    let (kernel, mut seed) = (cell.kernel(), 3);
    let (gates, recurrent, width) = (kernel.gates() * hidden, kernel.recurrent_rows(hidden), output.unwrap_or(hidden));
    let mut matrix = |rows: usize, columns: usize| -> Vec<f32> {
        random(rows * columns, &mut seed).iter().map(|w| 2.0 * w / (columns as f32).sqrt()).collect()
    };
    let (input, hidden_weights) = (matrix(gates, INPUTS), matrix(recurrent, width));
    let (projection, bias) = (matrix(width, hidden), matrix(gates, 1));
    let with_norm = |rows: usize| norm.then_some(LayerNorm { gain: &bias[..rows], epsilon: EPSILON });
    let weights = LayerWeights {
        width: INPUTS,
        hidden,
        output: width,
        input: &input,
        input_bias: Some(&bias),
        input_norm: with_norm(gates),
        recurrent: &hidden_weights,
        recurrent_bias: Some(&bias[..recurrent]),
        recurrent_norm: with_norm(recurrent),
        projection: output.map(|_| &projection[..]),
        zoneout: None,
    };
    PackedLayer::new(kernel, isa, dtype, true, weights)
}

#[test]
fn rows_of_packed_layers_do_not_depend_on_the_batch() {
    use Cell::*;
    let variants = [
        (RnnTanh, None, false),
        (Gru, None, false),
        (GruResetBefore, None, false),
        (Gru, None, true),
        (Lstm, None, false),
        (Lstm, Some(29), false),
        (Lstm, Some(29), true),
        (MinGru, None, false),
        (MinLstm, None, false),
    ];
    for isa in Isa::available() {
        for dtype in WeightDtype::ALL {
            // 70 units: full tiles and a remainder for every instruction set
            for (cell, output, norm) in variants {
                let layer = layer(cell, 70, output, norm, isa, dtype);
                let mut seed = 11;
                let rows: Vec<Row> = (0..17)
                    .map(|n| Row {
                        x: random(TIME * INPUTS, &mut seed),
                        state: random(layer.state_len(1), &mut seed),
                        length: [TIME, 1, TIME, 3, TIME, TIME, 2][n % 7],
                    })
                    .collect();
                let alone: Vec<_> = rows.iter().map(|row| forward(&layer, 1, &[row]).remove(0)).collect();
                for batch in BATCHES {
                    for threads in [1, 2] {
                        // a different order for each batch size
                        let order: Vec<usize> = (0..batch).map(|n| (n * 5 + batch) % rows.len()).collect();
                        let together: Vec<&Row> = order.iter().map(|n| &rows[*n]).collect();
                        for (found, n) in forward(&layer, threads, &together).iter().zip(order) {
                            let what = format!("{isa} {dtype} {cell:?} {output:?} {norm} B{batch} T{threads}: {n}");
                            assert!(*found == alone[n], "{what}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn threads_that_divide_units_do_not_change_results() {
    // enough work for several threads
    for cell in [Cell::Lstm, Cell::MinLstm] {
        let layer = layer(cell, 600, None, false, Isa::best(), WeightDtype::F32);
        let mut seed = 5;
        let row = |seed: &mut u64| Row {
            x: random(TIME * INPUTS, seed),
            state: random(layer.state_len(1), seed),
            length: TIME,
        };
        let rows: Vec<Row> = (0..5).map(|_| row(&mut seed)).collect();
        let rows: Vec<&Row> = rows.iter().collect();
        let expected = forward(&layer, 1, &rows);
        for threads in [2, 3] {
            assert!(forward(&layer, threads, &rows) == expected, "{cell:?} {threads}");
            assert!(forward(&layer, threads, &rows[2..3])[0] == expected[2], "{cell:?} {threads}, alone");
        }
    }
}

#[test]
fn rows_of_linear_layers_do_not_depend_on_the_batch() {
    for isa in Isa::available() {
        for dtype in WeightDtype::ALL {
            for (inputs, outputs) in [(1, 3), (33, 150), (300, 7)] {
                let mut seed = 7;
                let (weights, bias) = (random(inputs * outputs, &mut seed), random(outputs, &mut seed));
                let layer = PackedLinear::new(isa, dtype, &weights, Some(&bias), inputs);
                let x = random(70 * inputs, &mut seed);
                let forward = |rows: std::ops::Range<usize>, threads: usize| -> Vec<u32> {
                    let mut into = vec![0.0; rows.len() * outputs];
                    layer.forward(threads, &x[rows.start * inputs..rows.end * inputs], &mut into);
                    into.iter().map(|v| v.to_bits()).collect()
                };
                let alone: Vec<u32> = (0..70).flat_map(|row| forward(row..row + 1, 1)).collect();
                for (start, count) in [(0, 70), (0, 2), (3, 3), (5, 4), (1, 5), (2, 65), (60, 9)] {
                    let found = forward(start..start + count, 2);
                    assert!(found == alone[start * outputs..][..count * outputs], "{isa} {dtype} {start} {count}");
                }
            }
        }
    }
}
