//! The textbook recurrent network, step by step: `h = tanh(w0 [x; h])`, `y = w1 h`.
//!
//! It learns to spell "abracadabra" letter by letter. An "a" is followed by b, c, d, b or the end, so the letter alone
//! does not determine the next one: the network has to remember the previous letters in `h`. Training backpropagates
//! through all time steps.
//!
//! ```text
//! cargo run --release --example textbook_rnn
//! ```

use elman::{
    burn::{
        optim::{AdamConfig, GradientsParams},
        tensor::{Device, Tensor, activation::log_softmax},
    },
    recurrence::{ElmanNetwork, ElmanNetworkConfig},
};

const WORD: &str = "abracadabra.";
const LETTERS: [char; 6] = ['a', 'b', 'c', 'd', 'r', '.'];
const HIDDEN: usize = 8;

/// The one-hot vector of a letter, `[1, 6]`.
fn one_hot(letter: char, device: &Device) -> Tensor<2> {
    Tensor::from_data([LETTERS.map(|l| if l == letter { 1.0 } else { 0.0 })], device)
}

/// One time step: from the letter and the hidden state to the logits of the next letter and the new hidden state.
fn step(rnn: &ElmanNetwork, x: Tensor<2>, h: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let w0 = &rnn.w0[0][0]; // first layer, forward direction
    let h = w0.forward(Tensor::cat(vec![x, h], 1)).tanh();
    (rnn.w1.forward(h.clone()), h)
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?.autodiff();
    device.seed(1);
    let mut rnn = ElmanNetworkConfig::new(LETTERS.len(), HIDDEN, LETTERS.len()).init(&device);
    let mut adam = AdamConfig::new().init();
    for epoch in 0..=100 {
        let mut h = Tensor::zeros([1, HIDDEN], &device);
        let mut loss = Tensor::<1>::zeros([1], &device);
        for (letter, next) in WORD.chars().zip(WORD.chars().skip(1)) {
            let y;
            (y, h) = step(&rnn, one_hot(letter, &device), h);
            loss = loss - (log_softmax(y, 1) * one_hot(next, &device)).sum(); // − ln p(next)
        }
        if epoch % 20 == 0 {
            println!(
                "epoch {epoch:3}  loss per letter {:.3}",
                loss.clone().into_scalar::<f32>() / (WORD.len() - 1) as f32
            );
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &rnn);
        rnn = adam.step(0.02, rnn, gradients);
    }

    // greedy decoding: the most probable letter is the next input
    let (mut letter, mut h) = ('a', Tensor::zeros([1, HIDDEN], &device));
    let (mut xs, mut ys) = (Vec::new(), Vec::new());
    println!("\nletter  hidden state{:46}next", "");
    while letter != '.' && xs.len() < 20 {
        let y;
        let x = one_hot(letter, &device);
        (y, h) = step(&rnn, x.clone(), h);
        let next = LETTERS[y.clone().argmax(1).into_scalar::<i64>() as usize];
        let shown: String = h.to_data().iter::<f32>().map(|v| format!("{v:+.2}  ")).collect();
        println!("{letter:<8}{shown}  {next}");
        xs.push(x);
        ys.push(y);
        letter = next;
    }

    // the module computes the whole sequence, with the same result
    let (whole, _) = rnn.forward(Tensor::stack(xs, 1), None);
    let difference = (whole - Tensor::stack(ys, 1)).abs().max().into_scalar::<f32>();
    println!("\nmaximum difference from ElmanNetwork::forward: {difference:.1e}");
    Ok(())
}
