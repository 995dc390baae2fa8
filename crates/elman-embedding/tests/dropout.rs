//! An encoder drops in training wherever its tokens are, and not otherwise.

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
fn tokens_may_be_on_any_device() {
    for device in devices() {
        let (plain, trained) = (&device.device, &device.autodiff());
        let config = EncoderConfig { d_embed: 6, d_hidden: 8, dropout: 0.5, ..EncoderConfig::new(5) };
        let model = config.init(trained).unwrap();
        let _ = vectors(&model, plain); // draws the first weights
        let [first, second] = [plain, trained].map(|tokens| {
            plain.seed(3);
            let drawn = vectors(&model, tokens);
            assert_ne!(drawn.clone().into_data(), data(&model, tokens), "{device}");
            gradients_of(&model, &drawn.slice([0..1, 0..3]).sum().backward())
        });
        assert!(first == second && !first.is_empty(), "{device}");

        for still in [model.valid(), model.freeze(), config.init(plain).unwrap()] {
            let expected = data(&still, plain);
            for tokens in [plain, trained, plain] {
                assert_eq!(data(&still, tokens), expected, "{device}");
            }
        }
    }
}
