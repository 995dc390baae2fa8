//! Text embeddings from recurrent networks: from the hidden states of a language model, and from sentence
//! [encoders](encoder), which are [trained](train) for it.
//!
//! A network that is trained to predict the next token has to summarize the preceding text in its hidden state. An
//! [`Embedder`] runs such a network over a text and pools the hidden states into one vector. Texts can have any length:
//! the state is carried from window to window, so memory does not grow, and [`Embedder::start`] returns an embedding to
//! which text can be appended.
//!
//! ```no_run
//! use burn::tensor::Device;
//! use elman_embedding::{Embedder, EmbedderConfig, cosine};
//!
//! let embedder = Embedder::load("model", EmbedderConfig::default(), &Device::flex())?;
//! let vectors = embedder.embed(&["a cat sat on the mat", "a dog lay on the rug", "shares fell sharply"])?;
//! println!("{:.2} {:.2}", cosine(&vectors[0], &vectors[1]), cosine(&vectors[0], &vectors[2]));
//!
//! let mut story = embedder.start();
//! story.append("Once upon a time ")?;
//! story.append("there was a princess.")?;
//! let vector = story.vector()?;
//! # Ok::<(), elman_embedding::EmbeddingError>(())
//! ```

mod config;
mod correlation;
mod embedder;
pub mod encoder;
mod error;
mod finite;
mod mask;
mod pooling;
mod scale;
mod stream;
mod streaming;
pub mod train;
mod vectors;

pub use config::{EmbedderConfig, ModelFingerprint};
pub use correlation::spearman;
pub use elman_index::{cosine, dot, euclidean, top_k};
pub use embedder::Embedder;
pub use error::EmbeddingError;
pub use pooling::{Pool, Pooling};
pub use streaming::StreamingEmbedding;
pub use vectors::VectorFile;
