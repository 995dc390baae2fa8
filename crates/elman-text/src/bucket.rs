use rand::{SeedableRng, rngs::StdRng, seq::SliceRandom};

use crate::error::TextError;

/// Batches of sentences of similar length, which minimizes padding.
///
/// Sentences are sorted by length (stably), split into batches, and the batches are shuffled. Each sentence occurs
/// exactly once.
///
/// ```
/// use elman_text::SentenceBatches;
///
/// let sentences = [vec![1], vec![2, 3, 4], vec![5, 6]];
/// let batches: Vec<_> = SentenceBatches::new(&sentences, 2, None)?.collect();
/// assert_eq!(batches[0].ids, [2, 3, 4, 5, 6, 0]);
/// assert_eq!(batches[0].lengths, [3, 2]);
/// assert_eq!(batches[0].indices, [1, 2]); // in `sentences`
/// assert_eq!(batches[1].ids, [1]);
/// # Ok::<(), elman_text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct SentenceBatches<'a> {
    sentences: &'a [Vec<u32>],
    batches: std::vec::IntoIter<Vec<usize>>,
}

/// A batch of padded sentences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SentenceBatch {
    /// Token ids `[rows, steps]` in row-major order, 0 past a row's length.
    pub ids: Vec<u32>,
    /// Number of tokens of each row.
    pub lengths: Vec<usize>,
    /// Index of each row in the sentences.
    pub indices: Vec<usize>,
    /// Length of the longest row.
    pub steps: usize,
}

impl<'a> SentenceBatches<'a> {
    /// Creates batches of up to `batch` sentences. `seed` shuffles the batches; with `None` the longest come first.
    ///
    /// # Errors
    /// [`TextError::Zero`].
    pub fn new(sentences: &'a [Vec<u32>], batch: usize, seed: Option<u64>) -> Result<Self, TextError> {
        if batch == 0 {
            return Err(TextError::Zero { name: "batch" });
        }
        let mut order: Vec<usize> = (0..sentences.len()).collect();
        order.sort_by_key(|i| std::cmp::Reverse(sentences[*i].len()));
        let mut batches: Vec<Vec<usize>> = order.chunks(batch).map(<[usize]>::to_vec).collect();
        if let Some(seed) = seed {
            batches.shuffle(&mut StdRng::seed_from_u64(seed));
        }
        Ok(Self { sentences, batches: batches.into_iter() })
    }
}

impl Iterator for SentenceBatches<'_> {
    type Item = SentenceBatch;

    fn next(&mut self) -> Option<SentenceBatch> {
        let indices = self.batches.next()?;
        let lengths: Vec<usize> = indices.iter().map(|i| self.sentences[*i].len()).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        let pad = |i: &usize| self.sentences[*i].iter().copied().chain(std::iter::repeat(0)).take(steps);
        let ids = indices.iter().flat_map(pad).collect();
        Some(SentenceBatch { ids, lengths, indices, steps })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.batches.size_hint()
    }
}

impl ExactSizeIterator for SentenceBatches<'_> {}
