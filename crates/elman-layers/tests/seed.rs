//! The same seed gives the same mask.

use burn::tensor::Tensor;
use elman_layers::Dropout;
use elman_testkit::devices;

#[test]
fn the_seed_of_the_device_determines_the_masks() {
    for device in devices() {
        let masks = |seed| {
            device.device.seed(seed);
            let dropout = Dropout::new(0.3);
            [(); 2].map(|()| dropout.forward(Tensor::<2>::ones([20, 50], &device.autodiff())).into_data())
        };
        assert_eq!(masks(7), masks(7), "{device}");
        assert_ne!(masks(7), masks(8), "{device}");
    }
}
