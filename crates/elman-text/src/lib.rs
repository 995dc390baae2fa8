//! Tokenizers, corpora larger than memory, batching for language models, and tables of texts. Contains no tensors.
//!
//! ```
//! # let dir = tempfile::tempdir()?;
//! # let path = dir.path().join("text.txt");
//! # std::fs::write(&path, "the cat sat on the mat\nthe dog sat on the rug\n")?;
//! use elman_text::{BpttBatches, Corpus, Tokenizer, TokenizerConfig, Unit};
//!
//! let corpus = Corpus::open([&path])?;
//! let tokenizer = TokenizerConfig::new(Unit::Word).train(&corpus)?;
//! assert_eq!(tokenizer.decode(&tokenizer.encode("the cat sat\n")?)?, "the cat sat\n");
//! for batch in BpttBatches::new(&corpus.encode(&tokenizer)?, 2, 3)? {
//!     assert_eq!(batch.inputs.len(), batch.rows * batch.steps);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod bptt;
mod bucket;
mod check;
mod corpus;
mod decode;
mod error;
mod find;
mod guard;
mod input;
mod lines;
mod pieces;
mod pipeline;
mod steps;
mod table;
mod tokenizer;
mod tokens;
mod train;
mod unit;

pub use bptt::{BpttBatch, BpttBatches};
pub use bucket::{SentenceBatch, SentenceBatches};
pub use corpus::{Corpus, TextCounts};
pub use decode::DecodeStream;
pub use elman_files::printable;
pub use error::TextError;
pub use find::{Find, Found, FoundFile, LeftOut, Reason, real_path};
pub use input::Encoding;
pub use lines::Lines;
pub use pieces::pieces;
pub use table::{Columns, Row, RowLocation, Table};
pub use tokenizer::{END_OF_LINE, TextTokenizer, Tokenizer, UNKNOWN};
pub use tokens::Tokens;
pub use train::TokenizerConfig;
pub use unit::Unit;
