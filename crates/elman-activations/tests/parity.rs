//! Values and derivatives against PyTorch's autograd in f64. See `golden/activations.py`.

use burn::tensor::{Device, Tensor, TensorData};
use elman_activations::{
    Activation, Needs, Real, log_softmax, log_softmax_slice, log_softmax_vjp, softmax, softmax_slice, softmax_vjp,
};
use elman_testkit::{Golden, devices};

/// `|actual − expected| ≤ absolute + relative·|expected|`, element-wise: the values range from near 0 to 1000.
#[derive(Clone, Copy)]
struct ElementTolerance {
    absolute: f64,
    relative: f64,
}

/// A few roundings in f64. The absolute part allows for PyTorch, whose `1 + erf` and `1 − tanh²` cancel below 0.
const F64: ElementTolerance = ElementTolerance { absolute: 1e-14, relative: 2e-14 };
/// PyTorch computes the slope of hard sigmoid, 1/6, in f32 for every input dtype.
const F32_SIXTH: ElementTolerance = ElementTolerance { absolute: 1e-8, relative: 0.0 };
/// A few roundings in f32.
const F32: ElementTolerance = ElementTolerance { absolute: 6e-7, relative: 2e-6 };
/// f32 on a GPU, whose `exp`, `tanh` and `erf` are approximations: WGSL has no erf, so burn uses a polynomial.
const DEVICE: ElementTolerance = ElementTolerance { absolute: 3e-6, relative: 5e-6 };

impl ElementTolerance {
    #[track_caller]
    fn check(self, label: &str, x: &[f64], actual: &[f64], expected: &[f64]) {
        assert_eq!(actual.len(), expected.len(), "{label}: length");
        for (i, (&a, &e)) in actual.iter().zip(expected).enumerate() {
            let same = a == e || (a.is_nan() && e.is_nan());
            let close = (a - e).abs() <= self.absolute + self.relative * e.abs();
            assert!(same || close, "{label}: {a:e} at x = {}, expected {e:e}", x[i]);
        }
    }
}

fn golden() -> Golden {
    Golden::open("tests/golden/activations.safetensors")
}

/// The activations of the golden file with their names, which `FromStr` parses.
fn cases(golden: &Golden) -> Vec<(String, Activation)> {
    let names = golden.names().into_iter().filter_map(|name| name.strip_suffix(" df").map(str::to_owned));
    let cases: Vec<_> = names.map(|name| (name.clone(), name.parse().expect("the name of an activation"))).collect();
    for activation in Activation::ALL {
        assert!(cases.iter().any(|(_, case)| *case == activation), "no golden values of {activation}");
    }
    cases
}

fn derivative<R: Real>(activation: Activation, x: R) -> R {
    match activation.needs() {
        Needs::Nothing | Needs::Input => activation.df(x),
        Needs::Output => activation.df(activation.f(x)),
    }
}

#[test]
fn scalar_forms() {
    let golden = golden();
    let x = golden.f64s("x");
    for (name, activation) in cases(&golden) {
        let (f, df) = (golden.f64s(&format!("{name} f")), golden.f64s(&format!("{name} df")));
        let slope_tolerance = if activation == Activation::HardSigmoid { F32_SIXTH } else { F64 };

        let values: Vec<f64> = x.iter().map(|x| activation.f(*x)).collect();
        F64.check(&format!("{name} f64"), &x, &values, &f);
        let slopes: Vec<f64> = x.iter().map(|x| derivative(activation, *x)).collect();
        slope_tolerance.check(&format!("{name}' f64"), &x, &slopes, &df);

        let values: Vec<f64> = x.iter().map(|x| activation.f(*x as f32).into()).collect();
        F32.check(&format!("{name} f32"), &x, &values, &f);
        let slopes: Vec<f64> = x.iter().map(|x| derivative(activation, *x as f32).into()).collect();
        F32.check(&format!("{name}' f32"), &x, &slopes, &df);

        for (x, f) in x.iter().zip(&f).filter(|(x, _)| **x == 0.0) {
            assert_eq!(activation.f(*x).is_sign_negative(), f.is_sign_negative(), "{name} at {x}: sign of zero");
        }
    }
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

#[test]
fn tensor_forms() {
    let golden = golden();
    let x = golden.f64s("x");
    for device in devices() {
        // WGSL lets compilers assume that no value is NaN, and drivers do so in fused kernels
        let has_nan = ["flex", "ndarray"].contains(&device.name);
        let defined = |values: Vec<f64>| -> Vec<f64> {
            values.into_iter().zip(&x).filter(|(_, x)| has_nan || !x.is_nan()).map(|(value, _)| value).collect()
        };
        let at = defined(x.clone());
        for (name, activation) in cases(&golden) {
            let leaf = golden.tensor::<1>("x", &device.autodiff()).require_grad();
            let y = activation.apply(leaf.clone());
            let dx = leaf.grad(&y.clone().backward()).expect("a gradient");
            let expected = |what: &str| defined(golden.f64s(&format!("{name} {what}")));
            DEVICE.check(&format!("{name} on {device}"), &at, &defined(values(y)), &expected("f"));
            DEVICE.check(&format!("{name}' on {device}"), &at, &defined(values(dx)), &expected("df"));
        }
    }
}

type AlongAxis = fn(Tensor<2>, usize) -> Tensor<2>;
type InPlace = fn(&mut [f64]);
type Vjp = fn(&[f64], &mut [f64]);

const SOFTMAXES: [(&str, AlongAxis, InPlace, Vjp); 2] = [
    ("softmax", softmax, softmax_slice, softmax_vjp),
    ("log_softmax", log_softmax, log_softmax_slice, log_softmax_vjp),
];

#[test]
fn softmax_of_tensors() {
    let golden = golden();
    let x = golden.f64s("table");
    for device in devices() {
        for (name, f, _, _) in SOFTMAXES {
            for axis in [0, 1] {
                let leaf = golden.tensor::<2>("table", &device.autodiff()).require_grad();
                let y = f(leaf.clone(), axis);
                let dy = golden.tensor::<2>("dy", &device.autodiff());
                let dx = leaf.grad(&(y.clone() * dy).backward()).expect("a gradient");
                let label = format!("{name} along {axis} on {device}");
                DEVICE.check(&label, &x, &values(y), &golden.f64s(&format!("{name} {axis} f")));
                DEVICE.check(&label, &x, &values(dx), &golden.f64s(&format!("{name} {axis} dx")));
            }
        }
    }
}

#[test]
fn softmax_of_slices() {
    let golden = golden();
    let (x, dy) = (golden.f64s("table"), golden.f64s("dy"));
    for (name, _, in_place, vjp) in SOFTMAXES {
        let (f, dx) = (golden.f64s(&format!("{name} 1 f")), golden.f64s(&format!("{name} 1 dx")));
        let (mut y, mut grad) = (x.clone(), dy.clone());
        for (y, grad) in y.chunks_mut(6).zip(grad.chunks_mut(6)) {
            in_place(y);
            vjp(y, grad);
        }
        F64.check(name, &x, &y, &f);
        F64.check(&format!("{name} vjp"), &x, &grad, &dx);
    }
}

#[test]
fn apply_preserves_the_shape() {
    for device in devices() {
        let device: Device = device.device;
        let x = Tensor::<3>::from_data(TensorData::new(vec![-1.0f32; 6], [1, 2, 3]), &device);
        for activation in Activation::ALL {
            assert_eq!(activation.apply(x.clone()).dims(), [1, 2, 3], "{activation}");
        }
    }
}
