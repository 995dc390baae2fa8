//! Projection, layer normalization, recurrent dropout and zoneout against PyTorch: values and all gradients of the scan
//! and of the reference, on all compiled-in devices. `golden/variants.py` computed the expected values.

use burn::tensor::{Device, Tensor};
use elman_recurrence::{
    Cell, GruCell, LstmCell, Reset, RnnCell,
    scan::{RecurrentWeights, ScanInput, ScanOutput, Zoneout, scan, scan_sequential},
};
use elman_testkit::{Golden, Tolerance, assert_close, devices};

const GOLDEN: &str = "tests/golden/variants.safetensors";
/// Rates of zoneout without masks, as in `variants.py`.
const RATES: [f64; 2] = [0.25, 0.125];

/// f32 rounding over six time steps.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };
/// Gradients have twice as many roundings and more cancellation.
const GRADIENTS: Tolerance = Tolerance { relative: 1e-4, absolute: 1e-7 };

type Scan<C> = fn(&C, ScanInput, usize) -> ScanOutput;

fn compare<C: Cell>(golden: &Golden, case: &str, cell: &C, scan: Scan<C>, device: &Device) {
    let name = |tensor: &str| format!("{case}.{tensor}");
    let has = |tensor: &str| golden.contains(&name(tensor));
    let vector = |tensor: &str| golden.tensor::<1>(&name(tensor), device).require_grad();
    let matrix = |tensor: &str| golden.tensor::<2>(&name(tensor), device).require_grad();
    let input = golden.tensor::<3>(&name("in.input"), device).require_grad();
    let (weights, bias) = (matrix("in.weights"), vector("in.bias"));
    let projection = has("in.projection").then(|| matrix("in.projection"));
    let gain = has("in.gain").then(|| vector("in.gain"));
    let state: Vec<Tensor<2>> = (0..C::STATES).map(|n| matrix(&format!("in.state{n}"))).collect();
    let mask = |n: usize| golden.tensor::<3>(&name(&format!("noise.mask{n}")), device);
    let zoneout = match case.contains("-rates") {
        true => Some(Zoneout::Rates(RATES)),
        false => has("noise.mask0").then(|| Zoneout::Masks((0..C::STATES).map(mask).collect())),
    };

    let recurrent = RecurrentWeights {
        hidden: weights.clone(),
        bias: Some(bias.clone()),
        projection: projection.clone(),
        gain: gain.clone(),
    };
    let dropout = has("noise.dropout").then(|| golden.tensor::<2>(&name("noise.dropout"), device));
    let from = ScanInput { dropout, zoneout, ..ScanInput::new(input.clone(), Some(recurrent), state.clone()) };
    let out = scan(cell, from, C::STATES);
    let mut loss = Tensor::<1>::zeros([1], device);
    for (n, states) in out.states.into_iter().enumerate() {
        let expected = golden.tensor::<3>(&name(&format!("out.{n}")), device);
        assert_close(&name(&format!("out.{n}")), &states, &expected, VALUES);
        loss = loss + (states * golden.tensor::<3>(&name(&format!("cot.{n}")), device)).sum();
    }

    let gradients = loss.backward();
    macro_rules! check_gradient {
        ($name:expr, $tensor:expr, $rank:literal) => {
            let found = $tensor.grad(&gradients).unwrap_or_else(|| panic!("{case}: no gradient of {}", $name));
            let expected = golden.tensor::<$rank>(&name(&format!("grad.{}", $name)), device).inner();
            assert_close(&name(&format!("grad.{}", $name)), &found, &expected, GRADIENTS);
        };
    }
    check_gradient!("input", input, 3);
    check_gradient!("weights", weights, 2);
    check_gradient!("bias", bias, 1);
    for (n, state) in state.iter().enumerate() {
        check_gradient!(format!("state{n}"), state, 2);
    }
    if let Some(projection) = projection {
        check_gradient!("projection", projection, 2);
    }
    if let Some(gain) = gain {
        check_gradient!("gain", gain, 1);
    }
}

fn check<C: Cell>(kind: &str, cell: C) {
    let golden = Golden::open(GOLDEN);
    let names = golden.names();
    let mut cases: Vec<&str> = names.iter().map(|n| n.split('.').next().expect("case")).collect();
    cases.dedup();
    cases.retain(|case| case.split('-').next() == Some(kind));
    assert_eq!(cases.len(), 6, "plain, each option, all options");
    for device in devices() {
        for case in &cases {
            compare(&golden, case, &cell, scan::<C>, &device.autodiff());
            compare(&golden, case, &cell, scan_sequential::<C>, &device.autodiff());
        }
    }
}

#[test]
fn rnn() {
    check("rnn", RnnCell::default());
}

#[test]
fn gru() {
    check("gru", GruCell::default());
    check("gru_before", GruCell { reset: Reset::Before });
}

#[test]
fn lstm() {
    check("lstm", LstmCell);
}
