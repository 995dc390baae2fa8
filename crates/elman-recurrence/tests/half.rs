//! f16 and bf16 networks on GPUs against f32 networks on the CPU: values and all gradients. Parameters and inputs are
//! exactly representable in both dtypes.

use burn::{
    module::Module,
    tensor::{DType, Device, Distribution, FloatDType, Tensor, TensorData},
};
use elman_layers::{cast, device::is_cube};
use elman_recurrence::{CellKind, Network, NetworkConfig, Sequence};
use elman_testkit::{assert_near_data, devices, gradients_of};

const D_INPUT: usize = 12;
const LENGTHS: [usize; 3] = [7, 2, 5];

/// Tolerances of values and gradients, relative to their root mean square. The rounding error is 5e-4 for f16 and 4e-3
/// for bf16. The output of a layer is rounded before it is the input of the next one, layer normalization of small
/// gates amplifies their rounding error, and the derivative of the candidate of minGRU and minLSTM is discontinuous at
/// zero.
fn tolerances(kind: CellKind, dtype: FloatDType, norm: bool) -> [f64; 2] {
    let unit = if dtype == FloatDType::F16 { 5e-4 } else { 4e-3 };
    let times = if norm { 10.0 } else { 1.0 };
    let units = if matches!(kind, CellKind::MinGru | CellKind::MinLstm) { 400.0 } else { 100.0 };
    [4.0 * times * unit, units * unit]
}

/// The output and the final states, and all gradients.
fn run(net: Network, x: Tensor<3>, device: &Device) -> (Vec<TensorData>, Vec<TensorData>) {
    let dtype = x.dtype();
    let x = Tensor::from_data(x.into_data(), (device, dtype)).require_grad();
    let out = net.forward_with(x.clone(), Sequence::new().with_lengths(&LENGTHS));
    let mut values = vec![out.output.clone().into_data()];
    values.extend(out.state.parts().iter().map(|part| part.clone().into_data()));
    let cotangent = Tensor::<3>::full(out.output.dims(), 0.5, device).cast(out.output.dtype());
    let gradients = (out.output * cotangent).sum().backward();
    let mut all = gradients_of(&net, &gradients);
    all.push(x.grad(&gradients).expect("the input's gradient").into_data());
    (values, all)
}

#[test]
fn half_precision_is_within_rounding() {
    let all = devices();
    let reference = all[0].autodiff();
    for device in all.iter().filter(|device| is_cube(&device.device)) {
        for dtype in [FloatDType::F16, FloatDType::BF16] {
            if !device.device.supports_dtype(DType::from(dtype)) {
                println!("skipped: {device} has no {dtype:?}");
                continue;
            }
            for kind in CellKind::ALL.into_iter().filter(|kind| *kind != CellKind::Elman) {
                for norm in [false, true] {
                    let config = NetworkConfig::new(kind, D_INPUT, 33).with_layers(2).with_bidirectional(true);
                    let config = config.with_layer_norm(norm);
                    let net = cast(cast(config.init(&reference), dtype), FloatDType::F32);
                    let x = Tensor::<3>::random([3, 7, D_INPUT], Distribution::Normal(0.0, 1.0), &reference);
                    let x = x.cast(dtype).cast(FloatDType::F32);
                    let (values, gradients) = run(net.clone(), x.clone(), &reference);

                    let narrow = cast(net.fork(&device.autodiff()), dtype);
                    let x = Tensor::<3>::from_data(x.into_data(), &device.device).cast(dtype);
                    let found = run(narrow, x, &device.autodiff());
                    let [value_tolerance, gradient_tolerance] = tolerances(kind, dtype, norm);
                    assert_eq!((found.0.len(), found.1.len()), (values.len(), gradients.len()));
                    for (n, (found, expected)) in found.0.iter().zip(&values).enumerate() {
                        assert_eq!(found.dtype(), DType::from(dtype), "{config:?}: value {n}");
                        assert_near_data(&format!("{config:?} {dtype:?}: value {n}"), found, expected, value_tolerance);
                    }
                    for (n, (found, expected)) in found.1.iter().zip(&gradients).enumerate() {
                        assert_eq!(found.dtype(), DType::from(dtype), "{config:?}: gradient {n}");
                        assert_near_data(
                            &format!("{config:?} {dtype:?}: gradient {n}"),
                            found,
                            expected,
                            gradient_tolerance,
                        );
                    }
                }
            }
        }
    }
}
