//! A feed-forward network learns a function from examples, by backpropagation.
//!
//! One hidden layer of tanh neurons is shown points of the sine. The gradient of the squared error with respect to every
//! weight says how to change it so that the error falls. At the end the network is asked about points that lie between
//! and beyond those that it has seen: it interpolates well, and knows nothing of what lies outside.
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

    let network = network.valid(); // weights without a graph
    println!("\n     x   sin x  network  error");
    for x in [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0_f64] {
        let y = network.forward(Tensor::<2>::from_data([[x]], &device)).into_scalar::<f32>();
        let outside = if x.abs() > PI { "  outside of what it was shown" } else { "" };
        println!("{x:6.1}  {:+.3}   {y:+.3}  {:+.3}{outside}", x.sin(), f64::from(y) - x.sin());
    }
    Ok(())
}
