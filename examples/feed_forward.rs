//! A feed-forward network learns a function from examples, by backpropagation.
//!
//! A network with one hidden layer of tanh units is trained on points of the sine. Adam updates the weights with the
//! gradient of the squared error. Finally, the network is evaluated inside and outside the training interval: it
//! interpolates well, but does not extrapolate.
//!
//! ```text
//! cargo run --release --example feed_forward
//! ```

use std::f64::consts::PI;

use elman::{
    activations::Activation,
    burn::{
        module::Module,
        optim::{AdamConfig, GradientsParams},
        tensor::{Distribution, Tensor},
    },
    layers::FeedForwardConfig,
};

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?;
    device.seed(1);
    let training = device.clone().autodiff();

    let mut network = FeedForwardConfig::new([1, 32, 1]).with_activation(Activation::Tanh).init(&training);
    let mut adam = AdamConfig::new().init();
    println!("{} weights and biases", network.num_params());
    for step in 0..=2000 {
        let x = Tensor::<2>::random([64, 1], Distribution::Uniform(-PI, PI), &training);
        let loss = (network.forward(x.clone()) - x.sin()).square().mean();
        if step % 250 == 0 {
            println!("step {step:4}  mean squared error {:.6}", loss.clone().into_scalar::<f32>());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = adam.step(0.01, network, gradients);
    }

    let network = network.valid(); // without autodiff
    println!("\n     x   sin x  network  error");
    for x in [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0_f64] {
        let y = network.forward(Tensor::<2>::from_data([[x]], &device)).into_scalar::<f32>();
        let outside = if x.abs() > PI { "  outside the training interval" } else { "" };
        println!("{x:6.1}  {:+.3}   {y:+.3}  {:+.3}{outside}", x.sin(), f64::from(y) - x.sin());
    }
    Ok(())
}
