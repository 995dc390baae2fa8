//! The tensor formulas of minGRU and minLSTM against f64, for saturated gates and large candidates.

use burn::tensor::{Device, Tensor, TensorData};
use elman_recurrence::{Cell, MinGruCell, MinLstmCell};
use elman_testkit::devices;

/// Number of hidden units.
const UNITS: usize = 400;
/// Error relative to the largest value or gradient. minLSTM subtracts two rounded logarithms.
const ROUNDING: f64 = 2e-6;

/// The next state and its derivatives with respect to the gates.
type Exact = (f64, Vec<f64>);

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `g` and its derivative.
fn positive(v: f64) -> (f64, f64) {
    if v >= 0.0 { (v + 0.5, 1.0) } else { (sigmoid(v), sigmoid(v) * sigmoid(-v)) }
}

fn min_gru(gates: &[f64], state: f64) -> Exact {
    let (z, decay, (candidate, slope)) = (sigmoid(gates[0]), sigmoid(-gates[0]), positive(gates[1]));
    (decay * state + z * candidate, vec![decay * z * (candidate - state), z * slope])
}

fn min_lstm(gates: &[f64], state: f64) -> Exact {
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p();
    let ratio = softplus(-gates[1]) - softplus(-gates[0]);
    let (f, i, (candidate, slope)) = (sigmoid(ratio), sigmoid(-ratio), positive(gates[2]));
    let d_ratio = f * i * (state - candidate);
    let d_gates = vec![d_ratio * sigmoid(-gates[0]), -d_ratio * sigmoid(-gates[1]), i * slope];
    (f * state + i * candidate, d_gates)
}

fn check<C: Cell>(cell: C, exact: impl Fn(&[f64], f64) -> Exact, device: &Device, magnitude: f64, gate: f64) {
    let value = |n: usize| ((n * 7919 + 13) % 2003) as f64 / 1001.5 - 1.0;
    let gates: Vec<f32> = (0..C::GATES * UNITS)
        .map(|n| (value(n) * if n / UNITS + 1 == C::GATES { magnitude } else { gate }) as f32)
        .collect();
    let state: Vec<f32> = (0..UNITS).map(|n| value(n + 77) as f32).collect();
    let tensor = |values: &[f32]| {
        Tensor::<3>::from_data(TensorData::new(values.to_vec(), [1, 1, values.len()]), &device.clone().autodiff())
    };
    let x = tensor(&gates).require_grad();
    let linear = cell.linear(x.clone()).expect("a minimal cell");
    let next = linear.decay * tensor(&state) + linear.update;
    let gradient = x.grad(&next.clone().sum().backward()).expect("tracked").into_data();
    let expected: Vec<Exact> = (0..UNITS)
        .map(|unit| {
            let gates: Vec<f64> = (0..C::GATES).map(|gate| f64::from(gates[gate * UNITS + unit])).collect();
            exact(&gates, f64::from(state[unit]))
        })
        .collect();
    let close = |what: &str, found: Vec<f32>, expected: Vec<f64>| {
        let max = expected.iter().fold(1e-2, |m: f64, e| m.max(e.abs()));
        for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (f64::from(*found) - expected).abs() / max;
            assert!(
                error < ROUNDING,
                "{cell:?} {magnitude} {gate} {what} {n}: {found}, expected {expected}: {error:.1e}"
            );
        }
    };
    close("value", next.into_data().iter::<f32>().collect(), expected.iter().map(|(value, _)| *value).collect());
    let gradients = (0..C::GATES).flat_map(|gate| expected.iter().map(move |(_, d_gates)| d_gates[gate])).collect();
    close("gradient", gradient.iter::<f32>().collect(), gradients);
}

#[test]
fn large_gates_and_candidates_stay_precise() {
    for device in devices() {
        for magnitude in [1.0, 100.0, 1000.0, 10_000.0] {
            for gate in [1.0, 12.0, magnitude] {
                check(MinGruCell, min_gru, &device.device, magnitude, gate);
                check(MinLstmCell, min_lstm, &device.device, magnitude, gate);
            }
        }
    }
}

#[test]
fn equal_gates_have_gradients() {
    for device in devices() {
        let device = device.device.autodiff();
        let x = Tensor::<3>::zeros([1, 1, 3], &device).require_grad();
        let linear = MinLstmCell.linear(x.clone()).expect("a minimal cell");
        let gradient = x.grad(&linear.decay.sum().backward()).expect("tracked").into_data();
        // d f' / d f = ½ · ½ · σ(0)
        assert_eq!(gradient.iter::<f32>().collect::<Vec<_>>(), [0.125, -0.125, 0.0]);
    }
}
