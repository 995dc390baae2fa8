//! Vanishing gradients, measured: how much the last hidden state depends on the input `t` steps earlier.
//!
//! In an RNN, each step back multiplies the Jacobian ∂h_T/∂x_{T−t} by W_hh and tanh': it vanishes, or explodes if the
//! weights are large. In an LSTM, the path through the cell state, `c' = f ⊙ c + i ⊙ g`, multiplies it by the forget
//! gate only. With default weights that gate is half open, σ(0) = ½, and an LSTM forgets about as fast as an RNN. A
//! bias `b_f` opens it from the start (Gers et al. 2000), and training can open it where this lowers the loss.
//!
//! ```text
//! cargo run --release --example vanishing_gradient
//! ```

use elman::{
    burn::tensor::{Device, Distribution, Tensor},
    recurrence::{Cell, Lstm, LstmConfig, Recurrent, Rnn, RnnConfig},
};

const INPUTS: usize = 16;
const HIDDEN: usize = 64;
const FORGET: std::ops::Range<usize> = HIDDEN..2 * HIDDEN; // gates are in the order i, f, g, o
const MAX_LAG: usize = 60;

/// An RNN with default weights (uniform in ±1/√H), the recurrent ones multiplied by `scale`.
fn rnn(scale: f32, device: &Device) -> Rnn {
    let mut rnn = RnnConfig::new(INPUTS, HIDDEN).init(device);
    let weights = &mut rnn.layers[0].directions[0];
    weights.weight_hh = weights.weight_hh.take().map(|w| w.map(|w| w * scale));
    rnn
}

/// An LSTM with default weights, with `bias` added to the forget gate's bias.
fn lstm(bias: f32, device: &Device) -> Lstm {
    let mut lstm = LstmConfig::new(INPUTS, HIDDEN).init(device);
    let weights = &mut lstm.layers[0].directions[0];
    let open = |b: Tensor<1>| b.clone().slice_assign(FORGET, b.slice(FORGET) + bias);
    weights.bias_ih = weights.bias_ih.take().map(|b| b.map(open));
    lstm
}

/// ‖∂h_T/∂x_{T−t}‖, the Frobenius norm, for t = 0, 1, …, relative to t = 0.
fn jacobian_norms<C: Cell>(network: Recurrent<C>, x: &Tensor<3>) -> Vec<f32> {
    // H rows with the same sequence, and unit i of row i as loss: one backward pass computes all rows of the Jacobian
    let x = x.clone().repeat_dim(0, HIDDEN).require_grad();
    let h = network.forward(x.clone(), None).1.hidden().squeeze_dim::<2>(0);
    let gradients = (h * Tensor::eye(HIDDEN, &x.device())).sum().backward();
    let jacobian = x.grad(&gradients).expect("x requires a gradient"); // [H, time, inputs]
    let norms: Vec<f32> = jacobian.square().sum_dim(0).sum_dim(2).sqrt().to_data().iter().collect();
    norms.iter().rev().map(|norm| norm / norms[MAX_LAG]).collect()
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?.autodiff();
    device.seed(1);
    let x = Tensor::random([1, MAX_LAG + 1, INPUTS], Distribution::Normal(0.0, 1.0), &device);
    let columns = [
        ("RNN", jacobian_norms(rnn(1.0, &device), &x)),
        ("RNN, 5·W_hh", jacobian_norms(rnn(5.0, &device), &x)),
        ("LSTM", jacobian_norms(lstm(0.0, &device), &x)),
        ("LSTM, b_f+1", jacobian_norms(lstm(1.0, &device), &x)),
        ("LSTM, b_f+3", jacobian_norms(lstm(3.0, &device), &x)),
    ];
    println!("untrained networks of {HIDDEN} units: ‖∂h_T/∂x_(T−t)‖ by t, relative to t = 0\n");
    let row = |name: &str, cells: String| println!("{name:>5}{cells}");
    row("t", columns.iter().map(|(name, _)| format!("{name:>14}")).collect());
    for t in [0, 1, 2, 5, 10, 20, 30, 40, 50, MAX_LAG] {
        row(&t.to_string(), columns.iter().map(|(_, norms)| format!("{:14.1e}", norms[t])).collect());
    }
    let factor = |norms: &[f32]| (norms[MAX_LAG] / norms[10]).powf(1.0 / (MAX_LAG - 10) as f32);
    println!("\naverage factor per step from t = 10 on:");
    row("", columns.iter().map(|(_, norms)| format!("{:14.2}", factor(norms))).collect());
    Ok(())
}
