//! A custom recurrent cell, trained on a memory task.
//!
//! The cell is an `impl Cell` of a few lines; stacked layers, directions, ragged batches, initial states and gradients
//! come for free. The task: the first of ten values is +1 or -1, the others are noise; after the last value, predict
//! the first. Chance is 50 %.
//!
//! ```text
//! cargo run --release --example own_cell
//! ```

use elman::{
    burn::{
        self, // derive(Module) needs the name `burn`
        module::Module,
        nn::{Linear, LinearConfig},
        optim::{AdamConfig, GradientsParams},
        tensor::{Device, Distribution, Tensor, activation::sigmoid},
    },
    recurrence::{Cell, Recurrent, RecurrentConfig},
};

/// h' = u ⊙ h + (1 − u) ⊙ tanh(n): the update gate recurrent neural network (Collins et al. 2017).
#[derive(Clone, Debug, Default)]
struct UgrnnCell;

impl Cell for UgrnnCell {
    const GATES: usize = 2;
    const STATES: usize = 1;

    fn forward(&self, input: Tensor<2>, recurrent: Option<Tensor<2>>, state: &[Tensor<2>]) -> Vec<Tensor<2>> {
        let gates = input + recurrent.expect("the cell has a recurrent product");
        let [u, n] = gates.chunk(2, 1).try_into().expect("two gates");
        let u = sigmoid(u);
        vec![u.clone() * state[0].clone() + (-u + 1.0) * n.tanh()]
    }
}

#[derive(Module, Debug)]
struct Memory {
    network: Recurrent<UgrnnCell>,
    output: Linear,
}

impl Memory {
    /// `[batch, time, 1]` → `[batch, 1]`
    fn forward(&self, x: Tensor<3>) -> Tensor<2> {
        let (_, state) = self.network.forward(x, None);
        self.output.forward(state.hidden().squeeze_dim(0))
    }
}

/// Sequences `[batch, 10, 1]` and their first values `[batch, 1]`.
fn task(batch: usize, device: &Device) -> (Tensor<3>, Tensor<2>) {
    let sign = Tensor::<3>::random([batch, 1, 1], Distribution::Normal(0.0, 1.0), device).sign();
    let noise = Tensor::random([batch, 9, 1], Distribution::Normal(0.0, 0.5), device);
    (Tensor::cat(vec![sign.clone(), noise], 1), sign.squeeze_dim(2))
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?;
    device.seed(1);
    let training = device.clone().autodiff();
    let network = RecurrentConfig::<UgrnnCell>::new(1, 16).init(&training);
    let mut model = Memory { network, output: LinearConfig::new(16, 1).init(&training) };
    let mut adam = AdamConfig::new().init();
    for step in 0..=50 {
        let (x, sign) = task(64, &training);
        let loss = (model.forward(x) - sign).square().mean();
        if step % 10 == 0 {
            let (x, sign) = task(1000, &device);
            let acc = (model.valid().forward(x) * sign).greater_elem(0.0).float().mean().into_scalar::<f32>();
            println!("step {step:2}: loss {:.3}, accuracy {:.1} %", loss.clone().into_scalar::<f32>(), 100.0 * acc);
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &model);
        model = adam.step(0.01, model, gradients);
    }
    Ok(())
}
