//! The vanishing gradient in numbers: how much the last hidden state depends on an input that lies `t` steps back.
//!
//! In a simple recurrent network each step back multiplies the Jacobian ∂h_T/∂x_{T−t} by W_hh and by tanh': it vanishes,
//! or explodes if the weights are large. In an LSTM the way back through the cell state, `c' = f ⊙ c + i ⊙ g`, multiplies
//! it by the forget gate only. With the default weights that gate is half open, σ(0) = ½, and an LSTM forgets about as
//! fast as an RNN; a bias `b_f` opens it from the start (Gers et al. 2000), and training can open it where it pays.
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
const FORGET: std::ops::Range<usize> = HIDDEN..2 * HIDDEN; // gates lie in the order i, f, g, o
const BACK: usize = 60;

/// An RNN with the default weights (uniform in ±1/√H), the recurrent ones times `scale`.
fn rnn(scale: f32, device: &Device) -> Rnn {
    let mut rnn = RnnConfig::new(INPUTS, HIDDEN).init(device);
    let weights = &mut rnn.layers[0].directions[0];
    weights.weight_hh = weights.weight_hh.take().map(|w| w.map(|w| w * scale));
    rnn
}

/// An LSTM with the default weights, `bias` added to the biases of the forget gates.
fn lstm(bias: f32, device: &Device) -> Lstm {
    let mut lstm = LstmConfig::new(INPUTS, HIDDEN).init(device);
    let weights = &mut lstm.layers[0].directions[0];
    let open = |b: Tensor<1>| b.clone().slice_assign(FORGET, b.slice(FORGET) + bias);
    weights.bias_ih = weights.bias_ih.take().map(|b| b.map(open));
    lstm
}

/// ‖∂h_T/∂x_{T−t}‖, the Frobenius norm, for t = 0, 1, …, relative to t = 0.
fn reach<C: Cell>(network: Recurrent<C>, x: &Tensor<3>) -> Vec<f32> {
    // H rows read the same sequence, and of row i only unit i counts: one backward pass gives all rows of the Jacobian
    let x = x.clone().repeat_dim(0, HIDDEN).require_grad();
    let h = network.forward(x.clone(), None).1.hidden().squeeze_dim::<2>(0);
    let gradients = (h * Tensor::eye(HIDDEN, &x.device())).sum().backward();
    let jacobian = x.grad(&gradients).expect("x requires a gradient"); // [H, time, inputs]
    let norms: Vec<f32> = jacobian.square().sum_dim(0).sum_dim(2).sqrt().to_data().iter().collect();
    norms.iter().rev().map(|norm| norm / norms[BACK]).collect()
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?.autodiff();
    device.seed(1);
    let x = Tensor::random([1, BACK + 1, INPUTS], Distribution::Normal(0.0, 1.0), &device);
    let columns = [
        ("RNN", reach(rnn(1.0, &device), &x)),
        ("RNN, 5·W_hh", reach(rnn(5.0, &device), &x)),
        ("LSTM", reach(lstm(0.0, &device), &x)),
        ("LSTM, b_f+1", reach(lstm(1.0, &device), &x)),
        ("LSTM, b_f+3", reach(lstm(3.0, &device), &x)),
    ];
    println!("untrained networks of {HIDDEN} units: ‖∂h_T/∂x_(T−t)‖ by t, relative to t = 0\n");
    let row = |name: &str, cells: String| println!("{name:>5}{cells}");
    row("t", columns.iter().map(|(name, _)| format!("{name:>14}")).collect());
    for t in [0, 1, 2, 5, 10, 20, 30, 40, 50, BACK] {
        row(&t.to_string(), columns.iter().map(|(_, norms)| format!("{:14.1e}", norms[t])).collect());
    }
    let factor = |norms: &[f32]| (norms[BACK] / norms[10]).powf(1.0 / (BACK - 10) as f32);
    println!("\neach further step back multiplies it by, on average from t = 10 on,");
    row("", columns.iter().map(|(_, norms)| format!("{:14.2}", factor(norms))).collect());
    Ok(())
}
