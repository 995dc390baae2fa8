use crate::{error::TextError, tokens::Tokens};

/// Batches for truncated backpropagation through time, with the state carried over between batches.
///
/// The text is split into `batch` contiguous parts of equal length, dropping the remainder. Each batch is a window of
/// at most `bptt` time steps over all parts: row `b` of a batch continues row `b` of the previous batch.
///
/// ```
/// use elman_text::{BpttBatches, Tokens};
///
/// let tokens = Tokens::from_ids(&[0, 1, 2, 3, 4, 5, 6, 7, 8], 9, 9);
/// let batches: Vec<_> = BpttBatches::new(&tokens, 2, 2)?.collect();
/// assert_eq!(batches[0].inputs, [0, 1, 4, 5]); // parts 0 1 2 3 and 4 5 6 7
/// assert_eq!(batches[0].targets, [1, 2, 5, 6]);
/// assert_eq!(batches[1].inputs, [2, 6]);
/// assert_eq!(batches[1].targets, [3, 7]);
/// # Ok::<(), elman_text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BpttBatches<'a> {
    tokens: &'a Tokens,
    rows: usize,
    part_len: usize,
    bptt: usize,
    position: usize,
}

/// Inputs and targets, each `[rows, steps]` in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpttBatch {
    /// Token ids.
    pub inputs: Vec<u32>,
    /// The next token of each input.
    pub targets: Vec<u32>,
    /// Rows, the batch size.
    pub rows: usize,
    /// Time steps.
    pub steps: usize,
}

impl<'a> BpttBatches<'a> {
    /// Splits the text into `batch` parts and windows of `bptt` time steps.
    ///
    /// # Errors
    /// [`TextError::Zero`]; [`TextError::Batch`] if a part would have fewer than two tokens.
    pub fn new(tokens: &'a Tokens, batch: usize, bptt: usize) -> Result<Self, TextError> {
        for (name, value) in [("batch", batch), ("bptt", bptt)] {
            if value == 0 {
                return Err(TextError::Zero { name });
            }
        }
        let part_len = tokens.len() / batch;
        if part_len < 2 {
            return Err(TextError::Batch { batch, tokens: tokens.len() });
        }
        Ok(Self { tokens, rows: batch, part_len, bptt, position: 0 })
    }

    /// Total number of targets.
    pub fn tokens(&self) -> usize {
        self.rows * (self.part_len - 1)
    }
}

impl Iterator for BpttBatches<'_> {
    type Item = BpttBatch;

    fn next(&mut self) -> Option<BpttBatch> {
        let steps = self.bptt.min(self.part_len - 1 - self.position);
        if steps == 0 {
            return None;
        }
        let window = |shift: usize| {
            let starts = (0..self.rows).map(|row| row * self.part_len + self.position + shift);
            starts.flat_map(|start| self.tokens.slice(start, start + steps)).collect()
        };
        let batch = BpttBatch { inputs: window(0), targets: window(1), rows: self.rows, steps };
        self.position += steps;
        Some(batch)
    }

    /// Skips `n` batches in constant time, in order to resume.
    fn nth(&mut self, n: usize) -> Option<BpttBatch> {
        self.position = n.saturating_mul(self.bptt).saturating_add(self.position).min(self.part_len - 1);
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.part_len - 1 - self.position).div_ceil(self.bptt);
        (left, Some(left))
    }
}

impl ExactSizeIterator for BpttBatches<'_> {}
