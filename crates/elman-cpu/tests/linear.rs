//! The input projection against plain sums in f64, and its gradients against finite differences of these sums.

use elman_cpu::{Isa, LayerNorm, Linear, LinearInto, linear, linear_backward};

/// f32 rounding, relative to values of size 1.
const VALUES: f64 = 3e-6;
/// Gradients are sums over rows, and finite differences have an error of about 1e-8.
const GRADIENTS: f64 = 2e-5;
const EPSILON: f32 = 1e-3;

/// x, weights, bias, gain.
type Arguments<T> = [Vec<T>; 4];

struct Case {
    count: usize,
    width: usize,
    outputs: usize,
    rows: Option<Vec<usize>>,
    norm: bool,
    arguments: Arguments<f32>,
}

fn values(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|n| ((n * 7 + seed * 13) % 23) as f32 / 11.0 - 1.0).collect()
}

impl Case {
    fn new([count, width, outputs]: [usize; 3], ragged: bool, norm: bool) -> Self {
        let gain = values(outputs, 4).iter().map(|g| 1.0 + g / 2.0).collect();
        let arguments = [values(count * width, 1), values(outputs * width, 2), values(outputs, 3), gain];
        let rows = ragged.then(|| (0..count).filter(|row| row % 3 != 1).collect());
        Self { count, width, outputs, rows, norm, arguments }
    }

    fn linear(&self) -> Linear<'_> {
        let [x, weights, bias, gain] = &self.arguments;
        let norm = self.norm.then_some(LayerNorm { gain, epsilon: EPSILON });
        Linear { x, weights, bias: Some(bias), norm, rows: self.rows.as_deref(), width: self.width }
    }

    fn plain(&self, [x, weights, bias, gain]: &Arguments<f64>) -> Vec<f64> {
        let Self { count, width, outputs, .. } = *self;
        let mut into = vec![0.0; count * outputs];
        for row in (0..count).filter(|row| self.rows.as_ref().is_none_or(|rows| rows.contains(row))) {
            let dot = |r: usize| (0..width).map(|k| x[row * width + k] * weights[r * width + k]).sum::<f64>();
            let mut product: Vec<f64> = (0..outputs).map(dot).collect();
            if self.norm {
                let mean = product.iter().sum::<f64>() / outputs as f64;
                let variance = product.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / outputs as f64;
                let scale = 1.0 / (variance + f64::from(EPSILON)).sqrt();
                product.iter_mut().zip(gain).for_each(|(v, gain)| *v = (*v - mean) * scale * gain);
            }
            (0..outputs).for_each(|r| into[row * outputs + r] = product[r] + bias[r]);
        }
        into
    }
}

fn assert_close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected.iter().fold(1.0, |m: f64, e| m.max(e.abs()));
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs();
        assert!(error <= tolerance * scale, "{what}: element {n} is {found}, expected {expected}");
    }
}

#[test]
fn products_and_gradients_equal_plain_sums() {
    const STEP: f64 = 1e-5;
    for size in [[1, 1, 1], [4, 3, 5], [7, 9, 17], [33, 2, 40]] {
        for (ragged, norm) in [(false, false), (true, false), (false, true), (true, true)] {
            let case = Case::new(size, ragged, norm);
            let exact = case.arguments.clone().map(|values| values.into_iter().map(f64::from).collect::<Vec<_>>());
            let expected = case.plain(&exact);
            let gradient = values(expected.len(), 5);
            let slope = |which: usize, n: usize| {
                let [up, down] = [STEP, -STEP].map(|step| {
                    let mut moved = exact.clone();
                    moved[which][n] += step;
                    case.plain(&moved).iter().zip(&gradient).map(|(y, g)| y * f64::from(*g)).sum::<f64>()
                });
                (up - down) / (2.0 * STEP)
            };
            for isa in Isa::available() {
                let what = format!("{isa} {size:?} ragged {ragged} norm {norm}");
                let from = case.linear();
                // NaN reveals elements that are not written
                let (mut into, mut saved) = (vec![f32::NAN; expected.len()], vec![0.0; from.saved_len()]);
                linear(isa, from, &mut into, None);
                assert_close(&what, &into, &expected, VALUES);
                into.fill(f32::NAN);
                linear(isa, from, &mut into, Some(&mut saved));
                assert_close(&what, &into, &expected, VALUES);

                let mut found = case.arguments.clone().map(|values| vec![f32::NAN; values.len()]);
                let [x, weights, bias, gain] = &mut found;
                let gain = norm.then_some(&mut gain[..]);
                let all = LinearInto { x: Some(x), weights: Some(weights), bias: Some(bias), gain };
                linear_backward(isa, from, &saved, &gradient, all);
                for (which, name) in
                    ["x", "weights", "bias", "gain"].into_iter().enumerate().take(3 + usize::from(norm))
                {
                    let expected: Vec<f64> = (0..exact[which].len()).map(|n| slope(which, n)).collect();
                    assert_close(&format!("{what}: gradient of {name}"), &found[which], &expected, GRADIENTS);
                }
            }
        }
    }
}

#[test]
fn inactive_rows_are_not_read() {
    let mut case = Case::new([6, 3, 4], true, false);
    case.arguments[0][3..6].fill(f32::NAN); // row 1
    let mut into = vec![1.0; 24];
    linear(Isa::best(), case.linear(), &mut into, None);
    assert!(into.iter().all(|value| value.is_finite()));
    assert_eq!(into[4..8], [0.0; 4]);
}
