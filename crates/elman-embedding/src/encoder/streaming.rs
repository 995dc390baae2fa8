use elman_text::pieces;

use super::{
    Encoder,
    backend::{StreamState, empty_pooled},
    pooled::Pooled,
};
use crate::{error::EmbeddingError, finite};

/// A streaming embedding: the vector of the text so far, to which text can be appended. Memory does not grow with the
/// length of the text.
///
/// The text is tokenized in parts, so the vector equals that of the whole text if it is split between tokens, such as
/// before white space.
#[derive(Clone, Debug)]
pub struct StreamingEmbedding<'a> {
    encoder: &'a Encoder,
    state: StreamState,
    pooled: Pooled,
    /// Tokens that do not fill a window yet.
    pending: Vec<u32>,
    /// Whether the text has a known token.
    known: bool,
}

impl<'a> StreamingEmbedding<'a> {
    pub(super) fn new(encoder: &'a Encoder) -> Self {
        let (state, pooled) = (encoder.backend.initial_state(), empty_pooled(&encoder.config));
        Self { encoder, state, pooled, pending: Vec::new(), known: false }
    }

    /// Appends text.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if the text cannot be tokenized; earlier parts of it may have been appended then.
    pub fn append(&mut self, text: &str) -> Result<(), EmbeddingError> {
        for piece in pieces(text) {
            self.append_tokens(&self.encoder.tokens(piece)?)?;
        }
        Ok(())
    }

    pub(super) fn append_tokens(&mut self, ids: &[u32]) -> Result<(), EmbeddingError> {
        self.known = self.known || self.encoder.tokenizer.knows(ids);
        self.pending.extend(ids);
        let window = self.encoder.config.window;
        let whole = self.pending.len() / window * window;
        for window in self.pending[..whole].chunks_exact(window) {
            self.encoder.backend.append(&mut self.state, window, &mut self.pooled)?;
        }
        self.pending.drain(..whole);
        Ok(())
    }

    /// The vector of the text so far, of dimension [`d_embedding`](Encoder::d_embedding); zeros before the first known
    /// token.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] for a token outside the model's vocabulary, [`EmbeddingError::VectorNotFinite`].
    pub fn vector(&self) -> Result<Vec<f32>, EmbeddingError> {
        let Self { encoder, mut state, mut pooled, pending, known } = self.clone();
        if !known {
            return Ok(vec![0.0; encoder.d_embedding()]);
        }
        if !pending.is_empty() {
            encoder.backend.append(&mut state, &pending, &mut pooled)?;
        }
        finite::check(encoder.backend.vector(&pooled), &encoder.path)
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> usize {
        self.pooled.tokens() + self.pending.len()
    }
}
