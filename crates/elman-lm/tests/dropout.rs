//! Dropout is active in training only, and independent of the tokens' device.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor},
};
use elman_lm::{Dropouts, LanguageModel, LanguageModelConfig};
use elman_testkit::{devices, gradients_of};

fn loss(model: &LanguageModel, device: &Device) -> Tensor<1> {
    let tokens = || Tensor::<2, Int>::from_ints([[0, 1, 2, 3, 4, 0], [2, 2, 1, 0, 3, 4]], device);
    model.loss(tokens(), tokens(), None).0
}

#[test]
fn tokens_may_be_on_any_device() {
    for device in devices() {
        let (plain, trained) = (&device.device, &device.autodiff());
        let embedding = Dropouts { embedding: 0.5, ..Dropouts::all(0.0) };
        let between_layers = Dropouts { between_layers: 0.5, ..Dropouts::all(0.0) };
        let output = Dropouts { output: 0.5, ..Dropouts::all(0.0) };
        for dropout in [embedding, between_layers, output] {
            let config =
                LanguageModelConfig { d_embed: 12, d_hidden: 24, layers: 2, dropout, ..LanguageModelConfig::new(5) };
            let model = config.init(trained).unwrap();
            let _ = loss(&model, plain); // initializes the weights
            let [first, second] = [plain, trained].map(|tokens| {
                plain.seed(3);
                let first = loss(&model, tokens);
                assert_ne!(first.clone().into_data(), loss(&model, tokens).into_data(), "{device}: {dropout:?}");
                gradients_of(&model, &first.backward())
            });
            assert!(first == second && !first.is_empty(), "{device}: {dropout:?}");

            for inference in [model.valid(), model.freeze(), config.init(plain).unwrap()] {
                let expected = loss(&inference, plain).into_data();
                for tokens in [plain, trained, plain] {
                    assert_eq!(loss(&inference, tokens).into_data(), expected, "{device}: {dropout:?}");
                }
            }
        }
    }
}
