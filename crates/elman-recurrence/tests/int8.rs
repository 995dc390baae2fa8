//! A network packed as int8 equals the network with rounded weights: its only error is the rounding of weights.

use burn::{
    module::{Module, ModuleMapper, Param},
    tensor::{Tensor, TensorData},
};
use elman_recurrence::{CellKind, Network, NetworkConfig, packed::WeightDtype};
use elman_testkit::device;

const TIME: usize = 9;
const BATCH: usize = 3;
const INPUTS: usize = 7;

/// Rounds every row of the weights to multiples of `max |w| / 127`, as f32.
struct Round;

impl ModuleMapper for Round {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D != 2 {
            return param; // biases and gains are not quantized
        }
        param.map(|weights| {
            let (dims, device) = (weights.dims(), weights.device());
            let mut values: Vec<f32> = weights.into_data().iter::<f32>().collect();
            for row in values.chunks_mut(dims[1]) {
                let scale = row.iter().fold(0.0, |max: f32, w| max.max(w.abs())) / 127.0;
                row.iter_mut()
                    .for_each(|w| *w = if scale > 0.0 { (*w / scale).round_ties_even() * scale } else { 0.0 });
            }
            Tensor::from_data(TensorData::new(values, dims), &device)
        })
    }
}

fn outputs(net: &Network, dtype: WeightDtype, x: &[f32]) -> Vec<f32> {
    net.pack(dtype).unwrap().session(BATCH).forward(x).to_vec()
}

fn input(seed: usize) -> Vec<f32> {
    (0..TIME * BATCH * INPUTS).map(|n| ((n * 37 + seed * 11) % 101) as f32 / 50.0 - 1.0).collect()
}

/// The maximum and the root mean square of the error, relative to those of the expected values.
fn relative_errors(found: &[f32], expected: &[f32]) -> [f64; 2] {
    let max = |values: &mut dyn Iterator<Item = f32>| f64::from(values.fold(0.0, |m: f32, v| m.max(v.abs())));
    let square = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt();
    let errors = || found.iter().zip(expected).map(|(a, b)| a - b);
    let max_error = max(&mut errors()) / max(&mut expected.iter().copied());
    [max_error, square(&mut errors()) / square(&mut expected.iter().copied())]
}

/// Checks many small networks. For each number of units, returns the errors of int8 without and with layer
/// normalization.
fn check(units: &[usize], networks: usize) -> Vec<[[f64; 2]; 2]> {
    let device = device();
    let mut worst_errors = Vec::new();
    for hidden in units {
        let mut worst = [[0.0f64; 2]; 2];
        for n in 0..networks {
            for (norm, worst) in [false, true].into_iter().zip(&mut worst) {
                let cell = CellKind::ALL[1 + n % 5];
                let net = NetworkConfig::new(cell, INPUTS, *hidden)
                    .with_layers(1 + n % 3)
                    .with_bidirectional(n % 2 == 1)
                    .with_layer_norm(norm)
                    .init(&device);
                let x = input(n);
                let int8 = outputs(&net, WeightDtype::Int8, &x);
                let rounded = outputs(&net.clone().map(&mut Round), WeightDtype::F32, &x);
                let [difference, _] = relative_errors(&int8, &rounded);
                // normalization and recurrence amplify the rounding of f32 as they do that of the weights
                let allowed = if norm { 1e-3 } else { 1e-5 };
                assert!(
                    difference < allowed,
                    "{cell}, {hidden} units, layers {}, norm {norm}: {difference}",
                    1 + n % 3
                );
                let errors = relative_errors(&int8, &outputs(&net, WeightDtype::F32, &x));
                assert!(
                    errors[0] > 100.0 * difference || errors[0] < 1e-4,
                    "{cell}, {hidden}: {difference} of {errors:?}"
                );
                worst.iter_mut().zip(errors).for_each(|(worst, error)| *worst = worst.max(error));
            }
        }
        println!("{hidden} units: max and rms, without normalization {:.3?}, with {:.3?}", worst[0], worst[1]);
        worst_errors.push(worst);
    }
    worst_errors
}

#[test]
fn int8_equals_f32_with_rounded_weights() {
    // multiples of the register size, and one more or less
    let errors = check(&[1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65, 97], 30);
    assert!(errors.iter().all(|[plain, _]| plain[1] < 0.1), "errors without normalization: {errors:?}");
}

#[test]
fn first_layers_equal_those_of_the_network() {
    let device = device();
    let x = input(1);
    for cell in CellKind::ALL {
        let config = NetworkConfig::new(cell, INPUTS, 33).with_layers(3);
        let net = config.init(&device);
        let packed = net.pack(WeightDtype::F32).unwrap();
        let input = Tensor::<3>::from_data(TensorData::new(x.clone(), [TIME, BATCH, INPUTS]), &device).swap_dims(0, 1);
        let sequence = elman_recurrence::Sequence::new().with_all_states();
        let states = net.forward_with(input, sequence).all_states.expect("requested");
        for count in 1..=3 {
            let mut session = packed.first_layers(count).session(BATCH);
            let found = session.forward(&x).to_vec();
            let expected = states[count - 1].clone().hidden().swap_dims(0, 1).into_data();
            let expected: Vec<f32> = expected.iter::<f32>().collect();
            assert!(relative_errors(&found, &expected)[0] < 1e-5, "{cell} {count}");
        }
    }
}
