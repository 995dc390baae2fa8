//! A feed-forward network learns a function by backpropagation: sin x, from points of it.
//!
//! Each round: predict, measure the error, carry its gradient back through the layers, step against the gradient. The
//! network has never seen the points of the table at the end.
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
        tensor::{Device, Distribution, Tensor},
    },
    layers::{FeedForward, FeedForwardConfig},
};

/// Points in [−π, π], `[count, 1]`.
fn points(count: usize, device: &Device) -> Tensor<2> {
    Tensor::random([count, 1], Distribution::Uniform(-PI, PI), device)
}

fn loss(network: &FeedForward, x: Tensor<2>) -> Tensor<1> {
    (network.forward(x.clone()) - x.sin()).square().mean()
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?;
    device.seed(1);
    let training = device.clone().autodiff();

    // one input, two hidden layers of 32 units, one output
    let mut network = FeedForwardConfig::new([1, 32, 32, 1]).with_activation(Activation::Tanh).init(&training);
    println!("{} parameters", network.num_params());

    let mut adam = AdamConfig::new().init();
    for step in 0..=1000 {
        let loss = loss(&network, points(128, &training));
        if step % 200 == 0 {
            println!("step {step:4}: mean squared error {:.6}", loss.clone().into_scalar::<f32>());
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = adam.step(0.005, network, gradients);
    }

    println!("\n      x    sin x  network");
    let network = network.valid();
    for tenths in (-30..=30).step_by(10) {
        let x = tenths as f32 / 10.0;
        let y = network.forward(Tensor::<2>::from_data([[x]], &device)).into_scalar::<f32>();
        println!("  {x:+.2}   {:+.3}   {y:+.3}", x.sin());
    }
    Ok(())
}
