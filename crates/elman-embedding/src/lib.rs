//! Text embeddings from recurrent networks: from the hidden state of a language model, and from [encoders](encoder), which are
//! [trained](train) to make vectors.
//!
//! A network that was trained only to predict the next token has to keep in its hidden state what it has read. An
//! [`Embedder`] reads a text with such a network and pools the hidden states into one vector. Texts may be of any
//! length: the state is carried from window to window, so memory does not grow, and [`Embedder::start`] gives an
//! embedding that more text can be appended to later.
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

mod agreement;
mod config;
mod embedder;
pub mod encoder;
mod error;
mod finite;
mod mask;
mod pooling;
mod reading;
mod scale;
mod stream;
pub mod train;
mod vectors;

pub use agreement::spearman;
pub use config::{EmbedderConfig, ModelFingerprint};
pub use elman_index::{cosine, dot, euclidean, top_k};
pub use embedder::Embedder;
pub use error::EmbeddingError;
pub use pooling::{Pool, Pooling};
pub use reading::StreamingEmbedding;
pub use vectors::VectorFile;
