//! An encoder applies dropout in training, whatever device its tokens are on, and not in inference.

use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, TensorData},
};
use elman_embedding::encoder::{EncoderConfig, EncoderModel};
use elman_testkit::{devices, gradients_of};

fn vectors(model: &EncoderModel, device: &Device) -> Tensor<2> {
    model.forward(Tensor::<2, Int>::from_ints([[0, 1, 2, 3], [2, 4, 1, 0]], device), &[4, 2])
}

fn data(model: &EncoderModel, device: &Device) -> TensorData {
    vectors(model, device).into_data()
}

#[test]
fn dropout_does_not_depend_on_the_device_of_the_tokens() {
    for device in devices() {
        let (plain, trained) = (&device.device, &device.autodiff());
        let config = EncoderConfig { d_embed: 6, d_hidden: 8, dropout: 0.5, ..EncoderConfig::new(5) };
        let model = config.init(trained).unwrap();
        let _ = vectors(&model, plain); // initializes the lazy weights
        let [first, second] = [plain, trained].map(|tokens| {
            plain.seed(3);
            let dropped = vectors(&model, tokens);
            assert_ne!(dropped.clone().into_data(), data(&model, tokens), "{device}");
            gradients_of(&model, &dropped.slice([0..1, 0..3]).sum().backward())
        });
        assert!(first == second && !first.is_empty(), "{device}");

        for inference in [model.valid(), model.freeze(), config.init(plain).unwrap()] {
            let expected = data(&inference, plain);
            for tokens in [plain, trained, plain] {
                assert_eq!(data(&inference, tokens), expected, "{device}");
            }
        }
    }
}
