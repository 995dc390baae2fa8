//! Dropout is active in training, which depends only on the module and not on the device of its input.

use burn::{
    module::Module,
    nn::{Embedding, EmbeddingConfig, Initializer},
    tensor::{Device, Int, Tensor},
};
use elman_layers::{Dropout, EmbeddingDropout, LockedDropout, WeightDrop};
use elman_testkit::devices;

fn ones(device: &Device) -> Tensor<3> {
    Tensor::ones([4, 2, 32], device)
}

/// Whether ones were dropped or doubled. With these rates both almost certainly occur.
fn is_dropped<const D: usize>(y: Tensor<D>) -> bool {
    let values: Vec<f32> = y.into_data().iter::<f32>().collect();
    if values.iter().all(|y| *y == 1.0) {
        return false;
    }
    assert!(values.iter().all(|y| [0.0, 2.0].contains(y)) && values.contains(&0.0) && values.contains(&2.0));
    true
}

#[test]
fn layers_without_parameters_depend_on_valid_and_freeze() {
    for device in devices() {
        let (dropout, locked) = (Dropout::new(0.5), LockedDropout::new(0.5));
        for input in [&device.device, &device.autodiff()] {
            assert!(is_dropped(dropout.forward(ones(input))) && is_dropped(locked.forward(ones(input))), "{device}");
            for (dropout, locked) in
                [(dropout.valid(), locked.valid()), (dropout.clone().freeze(), locked.clone().freeze())]
            {
                let is_off = !is_dropped(dropout.forward(ones(input))) && !is_dropped(locked.forward(ones(input)));
                assert!(is_off, "{device}: on {input:?}");
            }
        }
    }
}

#[test]
fn within_a_module_they_also_depend_on_its_parameters() {
    for device in devices() {
        let (dropout, locked) = (Dropout::new(0.5), LockedDropout::new(0.5));
        let (plain, trained) = (&device.device, &device.autodiff());
        for input in [plain, trained] {
            for (parameters, is_active) in [(plain, false), (trained, true)] {
                let run = |dropout: &Dropout, locked: &LockedDropout| {
                    let found = is_dropped(dropout.forward_in(ones(input), parameters));
                    assert_eq!(is_dropped(locked.forward_in(ones(input), parameters)), found, "{device}");
                    found
                };
                assert_eq!(run(&dropout, &locked), is_active, "{device}: on {input:?}, parameters on {parameters:?}");
                assert!(!run(&dropout.valid(), &locked.valid()), "{device}");
            }
        }
    }
}

#[test]
fn layers_with_parameters_depend_on_their_device() {
    for device in devices() {
        let (words, weights) = (EmbeddingDropout::new(0.5), WeightDrop::new(0.5));
        let (plain, trained) = (&device.device, &device.autodiff());
        for (parameters, is_active) in [(plain, false), (trained, true)] {
            let matrix: Embedding = EmbeddingConfig::new(64, 3).with_initializer(Initializer::Ones).init(parameters);
            assert_eq!(is_dropped(weights.forward(ones(parameters))), is_active, "{device}: weights on {parameters:?}");
            assert!(!is_dropped(weights.valid().forward(ones(parameters))), "{device}");
            for input in [plain, trained] {
                let tokens = || Tensor::<1, Int>::arange(0..64, input).reshape([2, 32]);
                let found = is_dropped(words.forward(&matrix, tokens()));
                assert_eq!(found, is_active, "{device}: tokens on {input:?}, words on {parameters:?}");
                assert!(!is_dropped(words.valid().forward(&matrix, tokens())), "{device}");
            }
        }
    }
}
