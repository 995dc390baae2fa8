//! The kernels against the reference, which PyTorch's numbers are the test of: states and every gradient, for random
//! cotangents, at sizes that fill no register and at some that fill several.

use burn::tensor::{DType, Device, Distribution, Tensor, activation::sigmoid};
use elman_activations::Activation;
use elman_recurrence::{
    Cell, GruCell, LstmCell, MinGruCell, MinLstmCell, Reset, RnnCell,
    kernels::{
        Kernel, Simd,
        cell::{Gates, Gradients, Pointwise, States, Step},
        math,
    },
    scan::{Active, RecurrentWeights, ScanInput, ScanOutput, Zoneout, scan, scan_sequential},
};
use elman_testkit::{Tolerance, assert_close, devices};

/// The same float32 sums in another order, and gates within two units of their last place, over the time steps; layer
/// normalisation divides the difference by deviations below one.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };
/// Gradients sum over rows and time, up to 65 terms of size 1 that may cancel.
const GRADIENTS: Tolerance = Tolerance { relative: 2e-5, absolute: 1e-5 };
/// Layer normalisation divides rounding by a row's deviation, here a tenth or so.
const NORMALISED: f64 = 10.0;
/// Over the few gates of a single unit, which may be almost alike, the smallest deviation is the root of its ε, 1e-5.
const ALIKE: f64 = 316.0;

/// What is done besides the plain recurrence.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    Plain,
    Projection,
    LayerNorm,
    Dropout,
    Zoneout,
    ZoneoutRates,
    /// All that the cell has.
    All,
}

impl Variant {
    const ALL: [Self; 7] =
        [Self::Plain, Self::Projection, Self::LayerNorm, Self::Dropout, Self::Zoneout, Self::ZoneoutRates, Self::All];

    fn has(self, other: Self) -> bool {
        self == other || (self == Self::All && other != Self::ZoneoutRates)
    }
}

struct Case {
    time: usize,
    batch: usize,
    hidden: usize,
    reverse: bool,
    ragged: bool,
    bias: bool,
    variant: Variant,
}

impl Case {
    fn check<C: Cell>(&self, cell: &C, device: &Device) {
        let Self { time, batch, hidden, reverse, ragged, bias, variant } = *self;
        let what =
            format!("{cell:?} {variant:?} T{time} B{batch} H{hidden} reverse {reverse} ragged {ragged} bias {bias}");
        let uniform = |scale: f64| Distribution::Uniform(-scale, scale);
        let rows = C::GATES * hidden;
        let is_projected = variant.has(Variant::Projection) && cell.kernel().is_some_and(|k| k.has_projection());
        let output = if is_projected { 5 } else { hidden };
        let width = |n: usize| if n == 0 { output } else { hidden };
        let random = |shape: [usize; 2], scale: f64| Tensor::<2>::random(shape, uniform(scale), device).require_grad();
        let row = |is_there: bool, middle: f64| {
            is_there.then(|| (Tensor::<1>::random([rows], uniform(0.5), device) + middle).detach().require_grad())
        };
        let input = Tensor::<3>::random([time, batch, rows], uniform(1.5), device).require_grad();
        let weights = random([rows, output], 1.0 / (output as f64).sqrt());
        let recurrent_bias = row(bias, 0.0);
        let gain = row(variant.has(Variant::LayerNorm), 1.0);
        let projection = is_projected.then(|| random([output, hidden], 1.0 / (hidden as f64).sqrt()));
        let state: Vec<Tensor<2>> = (0..C::STATES).map(|n| random([batch, width(n)], 1.0)).collect();
        let cotangents: Vec<Tensor<3>> =
            (0..C::STATES).map(|n| Tensor::random([time, batch, width(n)], uniform(1.0), device)).collect();
        let lengths: Vec<usize> = (0..batch).map(|row| (row * 5 + 2) % (time + 1)).collect();
        let dropout = (C::RECURRENT && variant.has(Variant::Dropout))
            .then(|| Tensor::random([batch, output], Distribution::Bernoulli(0.5), device) * 2.0);
        let zoneout = if variant.has(Variant::Zoneout) {
            let mask = |n: usize| Tensor::random([time, batch, width(n)], Distribution::Bernoulli(0.3), device);
            Some(Zoneout::Masks((0..C::STATES).map(mask).collect()))
        } else {
            (variant == Variant::ZoneoutRates).then_some(Zoneout::Rates([0.25, 0.125]))
        };

        let run = |scan: fn(&C, ScanInput, usize) -> ScanOutput| {
            let recurrent = C::RECURRENT.then(|| RecurrentWeights {
                hidden: weights.clone(),
                bias: recurrent_bias.clone(),
                projection: projection.clone(),
                gain: gain.clone(),
            });
            let active = if ragged { Active::new(&lengths, time, device) } else { None };
            let (dropout, zoneout) = (dropout.clone(), zoneout.clone());
            let from = ScanInput {
                active,
                reverse,
                dropout,
                zoneout,
                ..ScanInput::new(input.clone(), recurrent, state.clone())
            };
            let out = scan(cell, from, C::STATES);
            let mut loss = Tensor::<1>::zeros([1], device);
            for ((states, last), by) in out.states.iter().zip(&out.last).zip(&cotangents) {
                loss = loss + (states.clone() * by.clone()).sum() + last.clone().square().sum();
            }
            (out, loss.backward())
        };
        let times = match (variant.has(Variant::LayerNorm), hidden) {
            (false, _) => 1.0,
            (true, 1) => ALIKE,
            (true, _) => NORMALISED,
        };
        let within = |by: Tolerance| Tolerance { relative: by.relative * times, absolute: by.absolute * times };
        let (values, gradients) = (within(VALUES), within(GRADIENTS));
        let (found, found_gradients) = run(scan::<C>);
        let (expected, expected_gradients) = run(scan_sequential::<C>);
        for n in 0..C::STATES {
            assert_close(&format!("{what}: state {n}"), &found.states[n], &expected.states[n], values);
            assert_close(&format!("{what}: last {n}"), &found.last[n], &expected.last[n], values);
        }
        macro_rules! same_gradient {
            ($name:expr, $tensor:expr) => {
                let [found, expected] = [&found_gradients, &expected_gradients].map(|gradients| {
                    $tensor.grad(gradients).unwrap_or_else(|| panic!("{what}: no gradient of {}", $name))
                });
                assert_close(&format!("{what}: gradient of {}", $name), &found, &expected, gradients);
            };
        }
        same_gradient!("the input", input);
        for (n, state) in state.iter().enumerate() {
            same_gradient!(format!("state {n}"), state);
        }
        if C::RECURRENT {
            same_gradient!("the weights", weights);
            for (name, row) in [("the bias", &recurrent_bias), ("the gain", &gain)] {
                if let Some(row) = row {
                    same_gradient!(name, row);
                }
            }
            if let Some(projection) = &projection {
                same_gradient!("the projection", projection);
            }
        }
    }
}

fn check<C: Cell>(cell: C) {
    let kernel = cell.kernel().expect("without a kernel this would compare the reference with itself");
    for device in devices() {
        for variant in Variant::ALL {
            let only_recurrent = matches!(variant, Variant::LayerNorm | Variant::Dropout);
            if (only_recurrent && !C::RECURRENT) || (variant == Variant::Projection && !kernel.has_projection()) {
                continue;
            }
            for hidden in [1, 7, 31, 33] {
                for (batch, time) in [(1, 65), (3, 3), (33, 1), (33, 2)] {
                    // normalised, a recurrence of random weights is chaotic, and so is its rounding
                    let time = if variant.has(Variant::LayerNorm) { time.min(9) } else { time };
                    let n = hidden + batch + time;
                    let (reverse, ragged, bias) = (n % 2 == 0, n % 3 != 0, n % 5 < 3);
                    Case { time, batch, hidden, reverse, ragged, bias, variant }.check(&cell, &device.autodiff());
                }
            }
        }
    }
}

#[test]
fn rnn() {
    check(RnnCell::default());
    check(RnnCell { activation: Activation::Relu });
}

#[test]
fn gru() {
    check(GruCell::default());
    check(GruCell { reset: Reset::Before });
}

#[test]
fn lstm() {
    check(LstmCell);
}

#[test]
fn minimal_cells() {
    check(MinGruCell);
    check(MinLstmCell);
}

/// A cell that is not of this crate, with a kernel of its own: h' = u ⊙ h + (1 − u) ⊙ tanh(n), the update gate recurrent
/// neural network (Collins et al. 2017).
#[derive(Clone, Copy, Debug)]
struct Ugrnn;

impl Cell for Ugrnn {
    const GATES: usize = 2;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let gates = input + recurrent.expect("a cell with a recurrent product gets it");
        let [u, n] = gates.chunk(2, 1).try_into().expect("two gates");
        let u = sigmoid(u);
        vec![u.clone() * state[0].clone() + (-u + 1.0) * n.tanh()]
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::new(*self))
    }
}

impl Pointwise for Ugrnn {
    const GATES: usize = 2;
    const STATES: usize = 1;
    const SAVED: usize = 2;

    #[inline(always)]
    fn forward<S: Simd>(
        self,
        s: S,
        input: Gates<S::f32s>,
        recurrent: Gates<S::f32s>,
        state: States<S::f32s>,
    ) -> (States<S::f32s>, Gates<S::f32s>) {
        let zero = s.splat_f32s(0.0);
        let u = math::sigmoid(s, s.add_f32s(input[0], recurrent[0]));
        let n = math::tanh(s, s.add_f32s(input[1], recurrent[1]));
        ([s.mul_add_f32s(u, s.sub_f32s(state[0], n), n), zero], [u, n, zero, zero])
    }

    #[inline(always)]
    fn backward<S: Simd>(self, s: S, step: Step<S::f32s>) -> Gradients<S::f32s> {
        let ([u, n, ..], [h, _], [dh, _]) = (step.saved, step.before, step.gradient);
        let (zero, one) = (s.splat_f32s(0.0), s.splat_f32s(1.0));
        let du = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(h, n)), s.mul_f32s(u, s.sub_f32s(one, u)));
        let dn = s.mul_f32s(s.mul_f32s(dh, s.sub_f32s(one, u)), s.negate_mul_add_f32s(n, n, one));
        let gates = [du, dn, zero, zero];
        Gradients { input: gates, recurrent: gates, state: [s.mul_f32s(dh, u), zero] }
    }
}

#[test]
fn a_cell_of_ones_own() {
    check(Ugrnn);
}

/// A cell whose kernel is another's.
#[derive(Clone, Debug)]
struct Mistaken;

impl Cell for Mistaken {
    const GATES: usize = 2;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, _: Option<Tensor<2>>, _: &[Tensor<2>]) -> Vec<Tensor<2>> {
        vec![input]
    }

    fn kernel(&self) -> Option<Kernel> {
        Some(Kernel::lstm())
    }
}

#[test]
#[should_panic(expected = "Mistaken: gates and states of its kernel (left) are not the cell's")]
fn a_kernel_of_another_cell_is_named() {
    let device = devices().into_iter().find(|device| ["flex", "ndarray"].contains(&device.name)).unwrap().device;
    let flat = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
    let recurrent = RecurrentWeights { hidden: flat([8, 4]), bias: None, projection: None, gain: None };
    scan(&Mistaken, ScanInput::new(Tensor::zeros([8, 2, 8], &device), Some(recurrent), vec![flat([2, 4])]), 1);
}

/// What the kernels are not made for goes the reference's way and does not fail.
#[test]
fn other_precisions_work_too() {
    for device in devices().into_iter().filter(|device| ["flex", "ndarray"].contains(&device.name)) {
        let tensor =
            |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Default, &device.device).cast(DType::F64);
        let flat = |shape: [usize; 2]| tensor([1, shape[0], shape[1]]).squeeze_dim::<2>(0);
        let recurrent = RecurrentWeights { hidden: flat([12, 3]), bias: None, projection: None, gain: None };
        let from = ScanInput::new(tensor([8, 2, 12]), Some(recurrent), vec![flat([2, 3]), flat([2, 3])]);
        let out = scan(&LstmCell, from, 1);
        assert_eq!((out.states[0].dims(), out.states[0].dtype()), ([8, 2, 3], DType::F64));
    }
}
