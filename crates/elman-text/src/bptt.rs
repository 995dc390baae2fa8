use crate::{error::TextError, tokens::Tokens};

/// Batches for truncated backpropagation through time, whose state is carried from one to the next.
///
/// The text is cut into `batch` columns of equal length, what is left over at its end is dropped, and each batch is a
/// window of at most `bptt` steps over all columns. Row `b` of a batch goes on where row `b` of the batch before ended.
///
/// ```
/// use elman_text::{BpttBatches, Tokens};
///
/// let tokens = Tokens::from_ids(&[0, 1, 2, 3, 4, 5, 6, 7, 8], 9, 9);
/// let batches: Vec<_> = BpttBatches::new(&tokens, 2, 2)?.collect();
/// assert_eq!(batches[0].inputs, [0, 1, 4, 5]); // columns 0 1 2 3 and 4 5 6 7
/// assert_eq!(batches[0].targets, [1, 2, 5, 6]);
/// assert_eq!(batches[1].inputs, [2, 6]);
/// assert_eq!(batches[1].targets, [3, 7]);
/// # Ok::<(), elman_text::TextError>(())
/// ```
#[derive(Clone, Debug)]
pub struct BpttBatches<'a> {
    tokens: &'a Tokens,
    rows: usize,
    column: usize,
    bptt: usize,
    at: usize,
}

/// Inputs and the targets that follow them, each `[rows, steps]` in row-major order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpttBatch {
    /// Token ids.
    pub inputs: Vec<u32>,
    /// The next token of each input.
    pub targets: Vec<u32>,
    /// Columns of the text.
    pub rows: usize,
    /// Time steps.
    pub steps: usize,
}

impl<'a> BpttBatches<'a> {
    /// Cuts the text into `batch` columns and windows of `bptt` steps.
    ///
    /// # Errors
    /// [`TextError::Zero`]; [`TextError::Batch`] if a column would have fewer than two tokens.
    pub fn new(tokens: &'a Tokens, batch: usize, bptt: usize) -> Result<Self, TextError> {
        for (name, value) in [("batch", batch), ("bptt", bptt)] {
            if value == 0 {
                return Err(TextError::Zero { name });
            }
        }
        let column = tokens.len() / batch;
        if column < 2 {
            return Err(TextError::Batch { batch, tokens: tokens.len() });
        }
        Ok(Self { tokens, rows: batch, column, bptt, at: 0 })
    }

    /// Targets in all batches together.
    pub fn tokens(&self) -> usize {
        self.rows * (self.column - 1)
    }
}

impl Iterator for BpttBatches<'_> {
    type Item = BpttBatch;

    fn next(&mut self) -> Option<BpttBatch> {
        let steps = self.bptt.min(self.column - 1 - self.at);
        if steps == 0 {
            return None;
        }
        let window = |shift: usize| {
            let starts = (0..self.rows).map(|row| row * self.column + self.at + shift);
            starts.flat_map(|start| self.tokens.slice(start, start + steps)).collect()
        };
        let batch = BpttBatch { inputs: window(0), targets: window(1), rows: self.rows, steps };
        self.at += steps;
        Some(batch)
    }

    /// Skips `n` batches without reading them: how an interrupted reading goes on.
    fn nth(&mut self, n: usize) -> Option<BpttBatch> {
        self.at = n.saturating_mul(self.bptt).saturating_add(self.at).min(self.column - 1);
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.column - 1 - self.at).div_ceil(self.bptt);
        (left, Some(left))
    }
}

impl ExactSizeIterator for BpttBatches<'_> {}
