//! A language model of characters, trained on this project's README in seconds: it learns to spell some of it.
//!
//! For a text of your own, and a model to keep: `cargo run -- train FILE --out DIR`.
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
    println!("{} characters, {} different ones", text.len(), tokenizer.vocab_size());

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

    let figures = evaluate(&trained.model, &text, 1, settings.bptt)?;
    let guessing = (tokenizer.vocab_size() as f64).log2();
    println!("{:.2} bits per character on its training text; guessing needs {guessing:.2}", figures.bits_per_character);

    let options = GenerateOptions { temperature: 0.5, max_tokens: 200, ..GenerateOptions::default() };
    let prompt = "The ";
    print!("\nThe network goes on from '{prompt}':\n{prompt}");
    for piece in generate(&trained.model, &tokenizer, prompt, &options)? {
        print!("{}", piece?.text);
    }
    println!();
    Ok(())
}
