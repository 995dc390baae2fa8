use std::collections::VecDeque;

use crate::error::EmbeddingError;

/// The vectors of a stream of texts, in chunks of `size` texts: large enough that sorting by length leaves little
/// padding.
pub(crate) fn in_chunks<T>(
    mut texts: impl Iterator<Item = T>,
    size: usize,
    vectors: impl Fn(&[T]) -> Result<Vec<Vec<f32>>, EmbeddingError>,
) -> impl Iterator<Item = Result<Vec<f32>, EmbeddingError>> {
    let mut ready = VecDeque::new();
    std::iter::from_fn(move || {
        if ready.is_empty() {
            let chunk: Vec<T> = texts.by_ref().take(size).collect();
            match vectors(&chunk) {
                Ok(vectors) => ready.extend(vectors),
                Err(error) => return Some(Err(error)),
            }
        }
        ready.pop_front().map(Ok)
    })
}
