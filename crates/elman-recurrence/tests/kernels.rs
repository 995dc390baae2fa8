//! The kernels against the reference, which other tests compare with PyTorch: states and all gradients for random
//! cotangents, at sizes below and above the size of a register.

use burn::tensor::{DType, Device, Distribution, Tensor, TensorData, activation::sigmoid};
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
use elman_testkit::{TestDevice, Tolerance, assert_close_data, devices};

/// f32 sums in another order, and gates within 2 ulp, accumulated over the time steps; layer normalization divides the
/// difference by standard deviations below 1.
const VALUES: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-6 };
/// Gradients sum over rows and time, up to 65 terms of size 1 that may cancel.
const GRADIENTS: Tolerance = Tolerance { relative: 2e-5, absolute: 1e-5 };
/// Layer normalization divides rounding errors by the standard deviation of a row, here about 0.1.
const LAYER_NORM_FACTOR: f64 = 10.0;
/// With a single unit, the few gates of a row may be almost equal. The minimum standard deviation is then √ε for ε =
/// 1e-5.
const SINGLE_UNIT_FACTOR: f64 = 316.0;

/// The options of a scan that a case uses.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Variant {
    Plain,
    Projection,
    LayerNorm,
    Dropout,
    Zoneout,
    ZoneoutRates,
    /// All options that the cell supports.
    All,
}

impl Variant {
    const ALL: [Self; 7] =
        [Self::Plain, Self::Projection, Self::LayerNorm, Self::Dropout, Self::Zoneout, Self::ZoneoutRates, Self::All];

    fn has(self, other: Self) -> bool {
        self == other || (self == Self::All && other != Self::ZoneoutRates)
    }
}

#[derive(Debug)]
struct Case {
    time: usize,
    batch: usize,
    hidden: usize,
    reverse: bool,
    ragged: bool,
    bias: bool,
    variant: Variant,
}

/// The inputs of a scan, sampled without autodiff on the device of the reference.
struct Inputs {
    input: Tensor<3>,
    weights: Tensor<2>,
    bias: Option<Tensor<1>>,
    gain: Option<Tensor<1>>,
    projection: Option<Tensor<2>>,
    state: Vec<Tensor<2>>,
    cotangents: Vec<Tensor<3>>,
    dropout: Option<Tensor<2>>,
    masks: Option<Vec<Tensor<3>>>,
}

/// The same values on another device.
fn on<const D: usize>(tensor: &Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(tensor.to_data(), device)
}

impl Inputs {
    fn random<C: Cell>(case: &Case, cell: &C, device: &Device) -> Self {
        let Case { time, batch, hidden, bias, variant, .. } = *case;
        let uniform = |scale: f64| Distribution::Uniform(-scale, scale);
        let rows = C::GATES * hidden;
        let is_projected = variant.has(Variant::Projection) && cell.kernel().is_some_and(|k| k.has_projection());
        let output = if is_projected { 5 } else { hidden };
        let width = |n: usize| if n == 0 { output } else { hidden };
        let random = |shape: [usize; 2], scale: f64| Tensor::<2>::random(shape, uniform(scale), device);
        let row = |exists: bool, mean: f64| exists.then(|| Tensor::<1>::random([rows], uniform(0.5), device) + mean);
        let mask = |n: usize| Tensor::random([time, batch, width(n)], Distribution::Bernoulli(0.3), device);
        Self {
            input: Tensor::random([time, batch, rows], uniform(1.5), device),
            weights: random([rows, output], 1.0 / (output as f64).sqrt()),
            bias: row(bias, 0.0),
            gain: row(variant.has(Variant::LayerNorm), 1.0),
            projection: is_projected.then(|| random([output, hidden], 1.0 / (hidden as f64).sqrt())),
            state: (0..C::STATES).map(|n| random([batch, width(n)], 1.0)).collect(),
            cotangents: (0..C::STATES).map(|n| Tensor::random([time, batch, width(n)], uniform(1.0), device)).collect(),
            dropout: (C::RECURRENT && variant.has(Variant::Dropout))
                .then(|| Tensor::random([batch, output], Distribution::Bernoulli(0.5), device) * 2.0),
            masks: variant.has(Variant::Zoneout).then(|| (0..C::STATES).map(mask).collect()),
        }
    }

    fn to(&self, device: &Device) -> Self {
        Self {
            input: on(&self.input, device),
            weights: on(&self.weights, device),
            bias: self.bias.as_ref().map(|bias| on(bias, device)),
            gain: self.gain.as_ref().map(|gain| on(gain, device)),
            projection: self.projection.as_ref().map(|projection| on(projection, device)),
            state: self.state.iter().map(|state| on(state, device)).collect(),
            cotangents: self.cotangents.iter().map(|cotangent| on(cotangent, device)).collect(),
            dropout: self.dropout.as_ref().map(|mask| on(mask, device)),
            masks: self.masks.as_ref().map(|masks| masks.iter().map(|mask| on(mask, device)).collect()),
        }
    }

    /// The states and all gradients, by name.
    fn run<C: Cell>(self, case: &Case, cell: &C, scan: fn(&C, ScanInput, usize) -> ScanOutput) -> Found {
        let device = self.input.device();
        let input = self.input.require_grad();
        let weights = self.weights.require_grad();
        let [bias, gain] = [self.bias, self.gain].map(|row| row.map(Tensor::require_grad));
        let projection = self.projection.map(Tensor::require_grad);
        let state: Vec<_> = self.state.into_iter().map(Tensor::require_grad).collect();
        let recurrent = C::RECURRENT.then(|| RecurrentWeights {
            hidden: weights.clone(),
            bias: bias.clone(),
            projection: projection.clone(),
            gain: gain.clone(),
        });
        let lengths: Vec<usize> = (0..case.batch).map(|row| (row * 5 + 2) % (case.time + 1)).collect();
        let active = if case.ragged { Active::new(&lengths, case.time, &device) } else { None };
        let rates = (case.variant == Variant::ZoneoutRates).then_some(Zoneout::Rates([0.25, 0.125]));
        let from = ScanInput {
            active,
            reverse: case.reverse,
            dropout: self.dropout,
            zoneout: self.masks.map(Zoneout::Masks).or(rates),
            ..ScanInput::new(input.clone(), recurrent, state.clone())
        };
        let out = scan(cell, from, C::STATES);
        let mut loss = Tensor::<1>::zeros([1], &device);
        let mut found = Found { values: Vec::new(), gradients: Vec::new() };
        for (n, ((states, last), cotangent)) in out.states.iter().zip(&out.last).zip(&self.cotangents).enumerate() {
            loss = loss + (states.clone() * cotangent.clone()).sum() + last.clone().square().sum();
            found.values.push((format!("state {n}"), states.to_data()));
            found.values.push((format!("last {n}"), last.to_data()));
        }
        let gradients = loss.backward();
        macro_rules! gradient {
            ($name:expr, $tensor:expr) => {
                let gradient = $tensor.grad(&gradients).unwrap_or_else(|| panic!("no gradient of {}", $name));
                found.gradients.push((format!("gradient of {}", $name), gradient.into_data()));
            };
        }
        gradient!("the input", input);
        for (n, state) in state.iter().enumerate() {
            gradient!(format!("state {n}"), state);
        }
        if C::RECURRENT {
            gradient!("the weights", weights);
            for (name, row) in [("the bias", &bias), ("the gain", &gain)] {
                if let Some(row) = row {
                    gradient!(name, row);
                }
            }
            if let Some(projection) = &projection {
                gradient!("the projection", projection);
            }
        }
        found
    }
}

/// Results by name.
struct Found {
    values: Vec<(String, TensorData)>,
    gradients: Vec<(String, TensorData)>,
}

impl Case {
    /// Compares the kernels of `device` with the reference on `reference`.
    fn check<C: Cell>(&self, cell: &C, reference: &Device, device: &Device) {
        let Self { hidden, variant, .. } = *self;
        let inputs = Inputs::random(self, cell, &reference.clone().without_autodiff());
        let found = inputs.to(device).run(self, cell, scan::<C>);
        let expected = inputs.to(reference).run(self, cell, scan_sequential::<C>);
        let factor = match (variant.has(Variant::LayerNorm), hidden) {
            (false, _) => 1.0,
            (true, 1) => SINGLE_UNIT_FACTOR,
            (true, _) => LAYER_NORM_FACTOR,
        };
        let scaled = |tolerance: Tolerance| Tolerance {
            relative: tolerance.relative * factor,
            absolute: tolerance.absolute * factor,
        };
        let (values, gradients) = (scaled(VALUES), scaled(GRADIENTS));
        for (found, expected, tolerance) in
            [(found.values, expected.values, values), (found.gradients, expected.gradients, gradients)]
        {
            for ((name, found), (_, expected)) in found.into_iter().zip(expected) {
                assert_close_data(&format!("{cell:?} {self:?}: {name}"), &found, &expected, tolerance);
            }
        }
    }
}

/// Hidden units, rows and time steps.
type Sizes = (usize, usize, usize);

fn is_cpu(device: &TestDevice) -> bool {
    ["flex", "ndarray"].contains(&device.name)
}

/// Fewer on GPUs, where each combination of options compiles its own kernels.
fn sizes(device: &TestDevice) -> Vec<Sizes> {
    if !is_cpu(device) {
        return vec![(33, 1, 8), (6, 14, 5)];
    }
    let others = [(1, 65), (3, 3), (33, 1), (33, 2)];
    let all = [1, 7, 31, 33].into_iter().flat_map(|hidden| others.map(|(batch, time)| (hidden, batch, time)));
    all.collect()
}

fn check<C: Cell>(cell: C) {
    check_on(cell, &devices());
}

fn check_on<C: Cell>(cell: C, all: &[TestDevice]) {
    let kernel = cell.kernel().expect("the test compares a kernel with the reference");
    for device in all {
        // the reference is fastest on the CPU; without a CPU backend, it runs on the same device
        let reference = if all[0].name == "flex" { &all[0] } else { device }.autodiff();
        for variant in Variant::ALL {
            let only_recurrent = matches!(variant, Variant::LayerNorm | Variant::Dropout);
            if (only_recurrent && !C::RECURRENT) || (variant == Variant::Projection && !kernel.has_projection()) {
                continue;
            }
            for (hidden, batch, time) in sizes(device) {
                // with layer normalization, a recurrence with random weights is chaotic and amplifies rounding errors
                let time = if variant.has(Variant::LayerNorm) { time.min(9) } else { time };
                let n = hidden + batch + time;
                let (reverse, ragged, bias) = (n % 2 == 0, n % 3 != 0, n % 5 < 3);
                let case = Case { time, batch, hidden, reverse, ragged, bias, variant };
                case.check(&cell, &reference, &device.autodiff());
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

/// A custom cell with a kernel: h' = u ⊙ h + (1 − u) ⊙ tanh(n), the update gate recurrent neural network (Collins et
/// al. 2017).
#[derive(Clone, Copy, Debug)]
struct Ugrnn;

impl Cell for Ugrnn {
    const GATES: usize = 2;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let gates = input + recurrent.expect("the cell has a recurrent product");
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
fn custom_cell() {
    let cpus: Vec<_> = devices().into_iter().filter(is_cpu).collect();
    check_on(Ugrnn, &cpus);
}

/// A cell with the kernel of another cell.
#[derive(Clone, Debug)]
struct Mismatched;

impl Cell for Mismatched {
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
#[should_panic(expected = "Mismatched: numbers of gates and states of its kernel (left) and of the cell")]
fn a_kernel_of_another_cell_panics() {
    let device = devices().into_iter().find(is_cpu).unwrap().device;
    let zeros = |shape: [usize; 2]| Tensor::<2>::zeros(shape, &device);
    let recurrent = RecurrentWeights { hidden: zeros([8, 4]), bias: None, projection: None, gain: None };
    scan(&Mismatched, ScanInput::new(Tensor::zeros([8, 2, 8], &device), Some(recurrent), vec![zeros([2, 4])]), 1);
}

/// Dtypes that the kernels do not support use the reference.
#[test]
fn other_dtypes_use_the_reference() {
    for device in devices().into_iter().filter(is_cpu) {
        let tensor =
            |shape: [usize; 3]| Tensor::<3>::random(shape, Distribution::Default, &device.device).cast(DType::F64);
        let matrix = |shape: [usize; 2]| tensor([1, shape[0], shape[1]]).squeeze_dim::<2>(0);
        let recurrent = RecurrentWeights { hidden: matrix([12, 3]), bias: None, projection: None, gain: None };
        let from = ScanInput::new(tensor([8, 2, 12]), Some(recurrent), vec![matrix([2, 3]), matrix([2, 3])]);
        let out = scan(&LstmCell, from, 1);
        assert_eq!((out.states[0].dims(), out.states[0].dtype()), ([8, 2, 3], DType::F64));
    }
}
