//! Recurrent language models: train, evaluate, generate, save.
//!
//! A [`LanguageModel`] predicts the next token: an embedding, recurrent layers of any kind in [`elman_recurrence`], and
//! an output layer. [`train()`] trains it on a text of any size, [`evaluate()`] measures it, [`generate()`] samples
//! from it. Models are saved as directories in the Hugging Face layout.
//!
//! ```
//! use burn::tensor::Device;
//! use elman_lm::{GenerateOptions, LanguageModelConfig, TrainConfig, evaluate, generate, train};
//! use elman_text::{Tokenizer, TokenizerConfig, Unit};
//!
//! # let folder = tempfile::tempdir()?;
//! # let path = folder.path().join("text.txt");
//! # std::fs::write(&path, "the cat sat on the mat. ".repeat(20))?;
//! let device = Device::flex();
//! let corpus = elman_text::Corpus::open([&path])?;
//! let tokenizer = TokenizerConfig::new(Unit::Char).train(&corpus)?;
//! let text = corpus.encode(&tokenizer)?;
//!
//! device.seed(1);
//! let config = LanguageModelConfig::new(tokenizer.vocab_size());
//! let config = LanguageModelConfig { d_embed: 8, d_hidden: 16, layers: 1, ..config };
//! let settings = TrainConfig { batch: 4, epochs: 2, ..TrainConfig::default() };
//! let trained = train(config.init(&device)?, &text, Some(&text), &settings, &mut ())?;
//!
//! println!("perplexity {:.1}", evaluate(&trained.model, &text, 1, 35)?.perplexity);
//! for piece in generate(&trained.model, &tokenizer, "the ", &GenerateOptions::default())? {
//!     print!("{}", piece?.text);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod card;
mod config;
mod directory;
mod error;
mod evaluate;
mod files;
pub mod generate;
mod import;
mod model;
mod packed;
mod setting;
mod size;
pub mod train;

pub use card::{CorpusInfo, ModelCard};
pub use config::{Dropouts, LanguageModelConfig};
pub use directory::{fingerprint, fingerprint_of};
pub use elman_recurrence::packed::WeightDtype;
pub use error::LmError;
pub use evaluate::{Evaluation, evaluate, evaluate_packed};
pub use generate::{GenerateOptions, Generation, Piece, generate};
pub use import::{Import, ImportNote, Imported};
pub use model::LanguageModel;
pub use packed::{PackedModel, PackedSession};
pub use train::{TrainConfig, Trained, train};
