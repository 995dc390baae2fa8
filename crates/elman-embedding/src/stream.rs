use std::collections::VecDeque;

use crate::{embedder::Embedder, error::EmbeddingError};

/// Texts taken at a time, in batches: enough that sorting by length leaves little padding.
const BATCHES: usize = 16;

/// Iterator over the vectors of a stream of texts; see [`Embedder::embed_iter`].
#[derive(Debug)]
pub struct Embeddings<'a, I> {
    embedder: &'a Embedder,
    texts: I,
    ready: VecDeque<Vec<f32>>,
}

impl<'a, I> Embeddings<'a, I> {
    pub(crate) fn new(embedder: &'a Embedder, texts: I) -> Self {
        Self { embedder, texts, ready: VecDeque::new() }
    }
}

impl<I> Iterator for Embeddings<'_, I>
where
    I: Iterator,
    I::Item: AsRef<str>,
{
    type Item = Result<Vec<f32>, EmbeddingError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            let size = self.embedder.config().batch.saturating_mul(BATCHES);
            let texts: Vec<I::Item> = self.texts.by_ref().take(size).collect();
            match self.embedder.embed(&texts) {
                Ok(vectors) => self.ready.extend(vectors),
                Err(error) => return Some(Err(error)),
            }
        }
        self.ready.pop_front().map(Ok)
    }
}
