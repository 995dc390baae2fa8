//! A character language model, trained on this project's README in seconds. It learns to spell some of its words.
//!
//! To train and save a model of your own text: `cargo run -- train FILE --out DIR`.
//!
//! ```text
//! cargo run --release --example character_model
//! ```

use elman::{
    lm::{
        GenerateOptions, LanguageModelConfig, TrainConfig, evaluate, generate, train,
        train::{Optimizer, Progress, Schedule},
    },
    text::{Corpus, Tokenizer, TokenizerConfig, Unit},
};

const README: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = elman::device("auto")?;
    device.seed(1);

    let corpus = Corpus::open([README])?;
    let tokenizer = TokenizerConfig::new(Unit::Char).train(&corpus)?;
    let text = corpus.encode(&tokenizer)?;
    println!("{} characters, vocabulary of {}", text.len(), tokenizer.vocab_size());

    let config = LanguageModelConfig::new(tokenizer.vocab_size());
    let config = LanguageModelConfig { d_embed: 32, d_hidden: 128, layers: 1, ..config };
    let settings = TrainConfig {
        batch: 8,
        epochs: 20,
        optimizer: Optimizer::Adam,
        schedule: Schedule::Constant,
        learning_rate: 0.005,
        clip: Some(1.0),
        ..TrainConfig::default()
    };
    let trained = train(config.init(&device)?, &text, None, &settings, &mut Progress::new())?;

    let metrics = evaluate(&trained.model, &text, 1, settings.bptt)?;
    let uniform = (tokenizer.vocab_size() as f64).log2();
    println!(
        "{:.2} bits per character on the training text; uniform guessing: {uniform:.2}",
        metrics.bits_per_character
    );

    let options = GenerateOptions { temperature: 0.5, max_tokens: 200, ..GenerateOptions::default() };
    let prompt = "The ";
    print!("\nText generated from '{prompt}':\n{prompt}");
    for token in generate(&trained.model, &tokenizer, prompt, &options)? {
        print!("{}", token?.text);
    }
    println!();
    Ok(())
}
