//! Why gates: how much of the gradient arrives at inputs far back, in an RNN and in an LSTM.
//!
//! Both read 100 random steps. The last hidden state's sum is carried back to every input; the gradient's norm there
//! says how much that input can still be learned from. In the RNN it shrinks by the same factor at each step (Bengio et
//! al. 1994). The LSTM's cell state passes through its forget gate alone: with that gate's bias at 3, most of the gradient
//! stays (Gers et al. 2000; Jozefowicz et al. 2015 recommend a positive bias).
//!
//! ```text
//! cargo run --release --example vanishing_gradient
//! ```

use elman::{
    burn::tensor::{Device, Distribution, Tensor},
    recurrence::{Cell, LstmConfig, Recurrent, RnnConfig},
};

const STEPS: usize = 100;
const UNITS: usize = 64;

/// The norm of the gradient of the last hidden state's sum with respect to the input at each step.
fn gradient_norms<C: Cell>(network: &Recurrent<C>, device: &Device) -> Vec<f32> {
    let x = Tensor::<3>::random([1, STEPS, UNITS], Distribution::Normal(0.0, 1.0), device).require_grad();
    let (_, state) = network.forward(x.clone(), None);
    let gradients = state.hidden().sum().backward();
    let gradient = x.grad(&gradients).expect("the input has a gradient");
    gradient.square().sum_dim(2).sqrt().into_data().iter::<f32>().collect()
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?.autodiff();
    device.seed(3);

    let rnn = RnnConfig::new(UNITS, UNITS).init(&device);
    let lstm = LstmConfig::new(UNITS, UNITS).init(&device);
    let mut remembering = lstm.clone();
    // gates are packed i, f, g, o
    let bias = &mut remembering.layers[0].directions[0].bias_ih;
    *bias = bias.take().map(|b| b.map(|b| b.slice_fill([UNITS..2 * UNITS], 3.0)));

    let rows = [gradient_norms(&rnn, &device), gradient_norms(&lstm, &device), gradient_norms(&remembering, &device)];
    println!("steps back        RNN       LSTM   LSTM, forget bias 3");
    for back in [0, 1, 2, 5, 10, 20, 40, 60, 80, 99] {
        let [rnn, lstm, remembering] = rows.each_ref().map(|norms| norms[STEPS - 1 - back]);
        println!("{back:10} {rnn:10.1e} {lstm:10.1e} {remembering:21.1e}");
    }
    Ok(())
}
