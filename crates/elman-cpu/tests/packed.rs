//! Packed layers against plain loops in f64 over the decoded weights.

mod plain;

use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, PackedLinear, SequenceBatch, WeightDtype, Workspace};
use plain::{Case, Cell, EPSILON, Options, ZoneoutKind, assert_close, random};

/// f32 rounding over the time steps of these tests, relative to values of size 1.
const VALUES: f64 = 6e-6;
const INPUTS: usize = 6;
const RATES: [f32; 2] = [0.25, 0.5];

/// The weights after encoding and decoding in a dtype.
fn decoded(dtype: WeightDtype, weights: &[f32], width: usize) -> Vec<f32> {
    let bf16 = |w: &f32| {
        let bits = w.to_bits();
        f32::from_bits((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
    };
    let int8 = |row: &[f32]| {
        let scale = row.iter().fold(0.0, |m: f32, w| m.max(w.abs())) / 127.0;
        row.iter()
            .map(move |w| if scale > 0.0 { (w / scale).round_ties_even() * scale } else { 0.0 })
            .collect::<Vec<_>>()
    };
    match dtype {
        WeightDtype::F32 => weights.to_vec(),
        WeightDtype::Bf16 => weights.iter().map(bf16).collect(),
        WeightDtype::Int8 => weights.chunks(width.max(1)).flat_map(int8).collect(),
    }
}

/// `x Wᵀ`, with layer normalization of each row if a gain is given, plus the bias.
fn product(x: &[f32], weights: &[f32], bias: &[f32], gain: Option<&[f32]>, width: usize) -> Vec<f64> {
    let dot = |x: &[f32], w: &[f32]| x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum::<f64>();
    let row = |x: &[f32]| {
        let mut row: Vec<f64> = weights.chunks(width).map(|w| dot(x, w)).collect();
        if let Some(gain) = gain {
            let mean = row.iter().sum::<f64>() / row.len() as f64;
            let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
            let scale = 1.0 / (variance + f64::from(EPSILON)).sqrt();
            row.iter_mut().zip(gain).for_each(|(v, gain)| *v = (*v - mean) * scale * f64::from(*gain));
        }
        row.iter_mut().zip(bias).for_each(|(v, bias)| *v += f64::from(*bias));
        row
    };
    x.chunks(width).flat_map(row).collect()
}

/// A layer and its input.
struct Problem {
    case: Case,
    x: Vec<f32>,
    input: Vec<f32>,
    input_bias: Vec<f32>,
    input_gain: Vec<f32>,
}

impl Problem {
    fn new(cell: Cell, size: [usize; 3], reverse: bool, ragged: bool, options: Options) -> Self {
        let mut case = Case::new(cell, size, reverse, ragged, options);
        let rows = case.kernel.gates() * case.hidden;
        let mut seed = size.iter().product::<usize>() as u64;
        // computed from `x` instead
        case.arguments[0].clear();
        Self {
            x: random(case.time * case.batch * INPUTS, &mut seed),
            input: random(rows * INPUTS, &mut seed).iter().map(|w| w / 2.0).collect(),
            input_bias: random(rows, &mut seed),
            input_gain: random(rows, &mut seed).iter().map(|g| 1.0 + g / 2.0).collect(),
            case,
        }
    }

    fn pack(&self, isa: Isa, dtype: WeightDtype) -> PackedLayer {
        let Case { hidden, output, reverse, ref kernel, options, .. } = self.case;
        let [_, recurrent, bias, _, projection, gain] = &self.case.arguments;
        let norm = |gain| options.norm.then_some(LayerNorm { gain, epsilon: EPSILON });
        let weights = LayerWeights {
            width: INPUTS,
            hidden,
            output,
            input: &self.input,
            input_bias: Some(&self.input_bias),
            input_norm: norm(&self.input_gain),
            recurrent,
            recurrent_bias: Some(bias),
            recurrent_norm: norm(gain),
            projection: options.projection.map(|_| &projection[..]),
            zoneout: options.zoneout.map(|_| RATES),
        };
        PackedLayer::new(kernel.clone(), isa, dtype, reverse, weights)
    }

    /// The expected hidden states and final states.
    fn expected(&self, dtype: WeightDtype) -> (Vec<f64>, Vec<f64>) {
        let Case { time, batch, hidden, output, ref kernel, reverse, .. } = self.case;
        let to_f64 = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
        let mut arguments = self.case.arguments_f64();
        let gain = self.case.options.norm.then_some(&self.input_gain[..]);
        let input = decoded(dtype, &self.input, INPUTS);
        arguments[0] = product(&self.x, &input, &self.input_bias, gain, INPUTS);
        arguments[1] = to_f64(decoded(dtype, &self.case.arguments[1], output));
        arguments[4] = to_f64(decoded(dtype, &self.case.arguments[4], hidden));
        let states = self.case.plain(&arguments);
        let (first, second) = states.split_at(time * batch * output);
        let at = if reverse { 0 } else { time - 1 };
        let mut last = first[at * batch * output..][..batch * output].to_vec();
        if kernel.states() > 1 {
            last.extend(&second[at * batch * hidden..][..batch * hidden]);
        }
        let mut hidden_states = first.to_vec();
        for (row, length) in self.case.lengths.iter().flatten().enumerate() {
            for t in *length..time {
                hidden_states[(t * batch + row) * output..][..output].fill(0.0);
            }
        }
        (hidden_states, last)
    }

    fn check(&self, isa: Isa, dtype: WeightDtype, threads: usize, workspace: &mut Workspace) {
        let Case { cell, time, batch, hidden, output, options, ref lengths, .. } = self.case;
        let what = format!("{cell:?} {options:?} {dtype} {isa} H{hidden} B{batch} T{time} threads {threads}");
        let layer = self.pack(isa, dtype);
        let (expected, final_state) = self.expected(dtype);
        let (mut state, mut into) = (self.case.arguments[3].clone(), vec![f32::NAN; time * batch * output]);
        let sequences = SequenceBatch { time, batch, lengths: lengths.as_deref(), x: &self.x };
        layer.forward(threads, sequences, &mut state, &mut into, workspace);
        assert_close(&what, &into, &expected, VALUES);
        assert_close(&format!("{what}, state"), &state, &final_state, VALUES);
    }
}

const PLAIN: Options = Options { projection: None, norm: false, dropout: false, zoneout: None };

fn variants(cell: Cell) -> Vec<Options> {
    let rates = Options { zoneout: Some(ZoneoutKind::Rates), ..PLAIN };
    let mut all = vec![PLAIN, rates];
    if cell.kernel().is_recurrent() {
        all.push(Options { norm: true, ..PLAIN });
    }
    if cell.kernel().has_projection() {
        all.extend([Options { projection: Some(5), ..PLAIN }, Options { projection: Some(5), norm: true, ..rates }]);
    }
    all
}

const CELLS: [Cell; 7] =
    [Cell::RnnTanh, Cell::RnnRelu, Cell::Gru, Cell::GruResetBefore, Cell::Lstm, Cell::MinGru, Cell::MinLstm];

#[test]
fn values_equal_plain_loops() {
    let mut workspace = Workspace::default();
    for cell in CELLS {
        for options in variants(cell) {
            for (hidden, batch) in [(1, 1), (7, 3), (31, 1), (33, 9)] {
                for (time, reverse, ragged) in [(1, false, false), (3, true, false), (5, false, true), (5, true, true)]
                {
                    let problem = Problem::new(cell, [time, batch, hidden], reverse, ragged, options);
                    for isa in Isa::available() {
                        for dtype in WeightDtype::ALL {
                            for threads in [1, 2] {
                                problem.check(isa, dtype, threads, &mut workspace);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn long_sequences_are_scanned_in_chunks() {
    for (reverse, ragged) in [(false, false), (true, false), (false, true), (true, true)] {
        // 33 units with four gates and three rows: a chunk has 1323 time steps
        let problem = Problem::new(Cell::Lstm, [1500, 3, 33], reverse, ragged, PLAIN);
        problem.check(Isa::best(), WeightDtype::F32, 1, &mut Workspace::default());
        problem.check(Isa::best(), WeightDtype::F32, 2, &mut Workspace::default());
    }
}

#[test]
fn threads_divide_units_and_rows() {
    // enough work for several threads, with one row and with many
    for (cell, batch) in [(Cell::Lstm, 1), (Cell::Gru, 16), (Cell::MinGru, 1), (Cell::MinLstm, 16)] {
        for options in variants(cell) {
            let problem = Problem::new(cell, [40, batch, 200], false, false, options);
            for dtype in WeightDtype::ALL {
                problem.check(Isa::best(), dtype, 2, &mut Workspace::default());
                problem.check(Isa::best(), dtype, 3, &mut Workspace::default());
            }
        }
    }
}

#[test]
fn linear_layers_of_every_dtype_equal_plain_sums() {
    for (rows, inputs, outputs) in [(1, 1, 1), (1, 33, 7), (5, 7, 33), (70, 31, 100), (30, 1500, 40), (3, 300, 7000)] {
        let mut seed = (rows + inputs + outputs) as u64;
        let [x, weights, bias] = [rows * inputs, outputs * inputs, outputs].map(|count| random(count, &mut seed));
        for dtype in WeightDtype::ALL {
            let expected = product(&x, &decoded(dtype, &weights, inputs), &bias, None, inputs);
            for isa in Isa::available() {
                let layer = PackedLinear::new(isa, dtype, &weights, Some(&bias), inputs);
                for threads in [1, 2] {
                    let mut into = vec![f32::NAN; rows * outputs];
                    layer.forward(threads, &x, &mut into);
                    assert_close(&format!("{dtype} {isa} {rows} {inputs} {outputs}"), &into, &expected, VALUES);
                }
            }
        }
    }
}

#[test]
fn narrower_dtypes_use_less_memory() {
    let problem = Problem::new(Cell::Lstm, [1, 1, 240], false, false, PLAIN);
    let [f32, bf16, int8] = WeightDtype::ALL.map(|dtype| problem.pack(Isa::best(), dtype).bytes());
    assert!(f32 >= 4 * 4 * 240 * (240 + INPUTS), "{f32}");
    assert!(bf16 * 9 < f32 * 5, "{bf16} {f32}");
    assert!(int8 * 3 < f32, "{int8} {f32}");
}
