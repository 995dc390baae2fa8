use elman_text::pieces;

use super::{
    Encoder,
    engine::{Walk, nothing},
    pooled::Pooled,
};
use crate::{error::EmbeddingError, finite};

/// A text of any length that is being read: its vector so far, to which more text can be appended. Memory does not grow
/// with what was read.
///
/// The text is tokenised piece by piece, so the vector equals that of the whole text where the pieces are cut between
/// tokens, as before white space.
#[derive(Clone, Debug)]
pub struct StreamingEmbedding<'a> {
    encoder: &'a Encoder,
    walk: Walk,
    pooled: Pooled,
    /// Tokens that do not fill a window yet.
    waiting: Vec<u32>,
    /// Whether the model knows anything of it.
    known: bool,
}

impl<'a> StreamingEmbedding<'a> {
    pub(super) fn new(encoder: &'a Encoder) -> Self {
        let (walk, pooled) = (encoder.engine.walk(), nothing(&encoder.config));
        Self { encoder, walk, pooled, waiting: Vec::new(), known: false }
    }

    /// Reads on.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if the text cannot be tokenised; the pieces before have been read then.
    pub fn append(&mut self, text: &str) -> Result<(), EmbeddingError> {
        for piece in pieces(text) {
            self.append_tokens(&self.encoder.tokens(piece)?)?;
        }
        Ok(())
    }

    pub(super) fn append_tokens(&mut self, ids: &[u32]) -> Result<(), EmbeddingError> {
        self.known = self.known || self.encoder.tokenizer.knows(ids);
        self.waiting.extend(ids);
        let window = self.encoder.config.window;
        let whole = self.waiting.len() / window * window;
        for window in self.waiting[..whole].chunks_exact(window) {
            self.encoder.engine.read(&mut self.walk, window, &mut self.pooled)?;
        }
        self.waiting.drain(..whole);
        Ok(())
    }

    /// The vector of what has been read, [`d_embedding`](Encoder::d_embedding) wide; zeros before the first token that
    /// the model knows.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if the tokenizer has tokens that the model does not, [`EmbeddingError::VectorNotFinite`].
    pub fn vector(&self) -> Result<Vec<f32>, EmbeddingError> {
        let Self { encoder, mut walk, mut pooled, waiting, known } = self.clone();
        if !known {
            return Ok(vec![0.0; encoder.d_embedding()]);
        }
        if !waiting.is_empty() {
            encoder.engine.read(&mut walk, &waiting, &mut pooled)?;
        }
        finite::check(encoder.engine.vector(&pooled), &encoder.path)
    }

    /// Tokens read.
    pub fn tokens(&self) -> usize {
        self.pooled.tokens() + self.waiting.len()
    }
}
