//! The recurrent network of the textbooks, one step at a time.
//!
//! `h = tanh(w0 [x; h])`, `y = w1 h`: each step reads the hidden state that the step before has left, so the output
//! depends on everything that was read, and in which order.
//!
//! ```text
//! cargo run --release --example textbook_rnn
//! ```

use elman::{
    burn::tensor::{Device, Tensor},
    recurrence::SimpleRnnConfig,
};

const LETTERS: [char; 4] = ['a', 'b', 'c', 'd'];

/// A row with a 1 where the letter stands in the alphabet.
fn one_hot(letter: char, device: &Device) -> Tensor<2> {
    let row = LETTERS.map(|l| if l == letter { 1.0 } else { 0.0 });
    Tensor::from_data([row], device)
}

fn main() -> Result<(), elman::DeviceError> {
    let device = elman::device("auto")?;
    device.seed(7);

    // four inputs, three hidden units, two outputs
    let rnn = SimpleRnnConfig::new(LETTERS.len(), 3, 2).init(&device);

    for word in ["abcd", "dcba"] {
        let mut state = None; // zeros
        println!("reading {word}");
        for letter in word.chars() {
            let (y, h) = rnn.step(one_hot(letter, &device), state);
            println!("  {letter}  hidden {}  output {}", show(h.hidden().flatten(0, 2)), show(y.flatten(0, 1)));
            state = Some(h);
        }
    }

    // a whole sequence at once gives the numbers of the last line again
    let letters = "dcba".chars().map(|letter| one_hot(letter, &device)).collect();
    let (y, _) = rnn.forward(Tensor::stack(letters, 1), None);
    println!("dcba at once: output {}", show(y.slice([0..1, 3..4, 0..2]).flatten(0, 2)));
    Ok(())
}

fn show(values: Tensor<1>) -> String {
    values.into_data().iter::<f32>().map(|v| format!("{v:+.3} ")).collect()
}
