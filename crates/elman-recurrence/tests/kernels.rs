//! The kernels against the reference, which PyTorch's numbers are the test of: states and every gradient, for random
//! cotangents, at sizes that fill no register and at some that fill several.

use burn::tensor::{DType, Device, Distribution, Tensor};
use elman_activations::Activation;
use elman_recurrence::{
    Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, RnnCell,
    scan::{Active, Kernel, RecurrentWeights, ScanInput, ScanOutput, scan, scan_sequential},
};
use elman_testkit::{Tolerance, assert_close, devices};

/// The same float32 sums in another order, and gates within two units of their last place, over the time steps.
const VALUES: Tolerance = Tolerance { relative: 5e-6, absolute: 1e-6 };
/// Gradients sum over rows and time.
const GRADIENTS: Tolerance = Tolerance { relative: 2e-5, absolute: 1e-6 };

struct Case {
    time: usize,
    batch: usize,
    hidden: usize,
    reverse: bool,
    ragged: bool,
    bias: bool,
}

impl Case {
    fn check<C: Cell>(&self, cell: &C, device: &Device) {
        let Self { time, batch, hidden, reverse, ragged, bias } = *self;
        let what = format!("{cell:?} T{time} B{batch} H{hidden} reverse {reverse} ragged {ragged} bias {bias}");
        let uniform = |scale: f64| Distribution::Uniform(-scale, scale);
        let rows = C::GATES * hidden;
        let input = Tensor::<3>::random([time, batch, rows], uniform(1.5), device).require_grad();
        let weights = Tensor::<2>::random([rows, hidden], uniform(1.0 / (hidden as f64).sqrt()), device).require_grad();
        let recurrent_bias = bias.then(|| Tensor::<1>::random([rows], uniform(1.0), device).require_grad());
        let state: Vec<Tensor<2>> =
            (0..C::STATES).map(|_| Tensor::random([batch, hidden], uniform(1.0), device).require_grad()).collect();
        let cotangents: Vec<Tensor<3>> =
            (0..C::STATES).map(|_| Tensor::random([time, batch, hidden], uniform(1.0), device)).collect();
        let lengths: Vec<usize> = (0..batch).map(|row| (row * 5 + 2) % (time + 1)).collect();

        let run = |scan: fn(&C, ScanInput, usize) -> ScanOutput| {
            let recurrent = C::RECURRENT.then(|| RecurrentWeights {
                hidden: weights.clone(),
                bias: recurrent_bias.clone(),
                projection: None,
            });
            let active = if ragged { Active::new(&lengths, time, device) } else { None };
            let from = ScanInput { input: input.clone(), recurrent, state: state.clone(), active, reverse };
            let out = scan(cell, from, C::STATES);
            let mut loss = Tensor::<1>::zeros([1], device);
            for ((states, last), by) in out.states.iter().zip(&out.last).zip(&cotangents) {
                loss = loss + (states.clone() * by.clone()).sum() + last.clone().square().sum();
            }
            (out, loss.backward())
        };
        let (found, found_gradients) = run(scan::<C>);
        let (expected, expected_gradients) = run(scan_sequential::<C>);
        for n in 0..C::STATES {
            assert_close(&format!("{what}: state {n}"), &found.states[n], &expected.states[n], VALUES);
            assert_close(&format!("{what}: last {n}"), &found.last[n], &expected.last[n], VALUES);
        }
        macro_rules! same_gradient {
            ($name:expr, $tensor:expr) => {
                let [found, expected] = [&found_gradients, &expected_gradients].map(|gradients| {
                    $tensor.grad(gradients).unwrap_or_else(|| panic!("{what}: no gradient of {}", $name))
                });
                assert_close(&format!("{what}: gradient of {}", $name), &found, &expected, GRADIENTS);
            };
        }
        same_gradient!("the input", input);
        if C::RECURRENT {
            same_gradient!("the weights", weights);
        }
        if let Some(bias) = recurrent_bias.as_ref().filter(|_| C::RECURRENT) {
            same_gradient!("the bias", bias);
        }
        for (n, state) in state.iter().enumerate() {
            same_gradient!(format!("state {n}"), state);
        }
    }
}

fn check<C: Cell>(cell: C, expected: Kernel) {
    assert_eq!(cell.kernel(), Some(expected), "without a kernel this would compare the reference with itself");
    for device in devices().into_iter().filter(|device| ["flex", "ndarray"].contains(&device.name)) {
        for hidden in [1, 7, 31, 33] {
            for (batch, time) in [(1, 65), (3, 1), (3, 3), (33, 1), (33, 2)] {
                let n = hidden + batch + time;
                let (reverse, ragged, bias) = (n % 2 == 0, n % 3 != 0, n % 5 < 3);
                Case { time, batch, hidden, reverse, ragged, bias }.check(&cell, &device.autodiff());
            }
        }
    }
}

#[test]
fn rnn() {
    check(RnnCell::default(), Kernel::RnnTanh);
    check(RnnCell { activation: Activation::Relu }, Kernel::RnnRelu);
}

#[test]
fn gru() {
    check(GruCell::default(), Kernel::Gru);
}

#[test]
fn lstm() {
    check(LstmCell, Kernel::Lstm);
}

#[test]
fn minimal_cells() {
    check(MinGruCell, Kernel::MinGru);
    check(MinLstmCell, Kernel::MinLstm);
}

/// What the kernels are not made for goes the reference's way and does not fail.
#[test]
fn other_precisions_work_too() {
    for device in devices().into_iter().filter(|device| ["flex", "ndarray"].contains(&device.name)) {
        let tensor =
            |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Default, &device.device).cast(DType::F64);
        let flat = |shape: [usize; 2]| tensor([1, shape[0], shape[1]]).squeeze_dim::<2>(0);
        let recurrent = RecurrentWeights { hidden: flat([12, 3]), bias: None, projection: None };
        let from = ScanInput {
            input: tensor([8, 2, 12]),
            recurrent: Some(recurrent),
            state: vec![flat([2, 3]), flat([2, 3])],
            active: None,
            reverse: false,
        };
        let out = scan(&LstmCell, from, 1);
        assert_eq!((out.states[0].dims(), out.states[0].dtype()), ([8, 2, 3], DType::F64));
    }
}
