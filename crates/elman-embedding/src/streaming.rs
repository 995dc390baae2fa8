use burn::tensor::Tensor;
use elman_lm::LanguageModel;
use elman_recurrence::{Sequence, State, packed::Session};

use crate::{
    embedder::Embedder,
    encoder::{packed::PackedEncoder, pooled},
    error::EmbeddingError,
    finite,
    mask::mask_past_lengths,
    pooling::Pool,
    scale::normalize,
};

/// The streaming state of a batch of texts: the recurrent state and the hidden states pooled so far. Its size does not
/// depend on the length of the texts.
#[derive(Clone, Debug, Default)]
pub(crate) struct StreamedBatch {
    state: Option<State>,
    pooled: Option<Pooled>,
    tokens: Vec<usize>,
}

/// Pooled hidden states, each `[batch, width]`.
#[derive(Clone, Debug)]
struct Pooled {
    sum: Tensor<2>,
    max: Tensor<2>,
    last: Tensor<2>,
}

impl StreamedBatch {
    /// Appends tokens to the first `lengths.len()` rows; the others have ended. `ids` is `[lengths.len(), time]` in
    /// row-major order; row `b` has `lengths[b]` tokens, at least one.
    pub(crate) fn append(
        &mut self,
        model: &LanguageModel,
        layer: usize,
        ids: &[u32],
        lengths: &[usize],
    ) -> Result<(), EmbeddingError> {
        let (rows, time) = (lengths.len(), ids.len() / lengths.len());
        let tokens = model.tokens(ids, [rows, time])?;
        let state = self.state.take().map(|s| match s.batch() == rows {
            true => s,
            false => s.select(&(0..rows).collect::<Vec<_>>()),
        });
        let sequence = Sequence::new().with_state(state).with_lengths(lengths).with_all_states();
        let out = model.hidden(tokens, sequence);
        let hidden = out.all_states.expect("all states were requested").swap_remove(layer).hidden();
        let new = Pooled {
            sum: hidden.clone().sum_dim(1).squeeze_dim(1),
            max: mask_past_lengths(hidden, lengths, f32::NEG_INFINITY).max_dim(1).squeeze_dim(1),
            last: out.state.hidden().narrow(0, layer, 1).squeeze_dim(0),
        };
        self.pooled = Some(match self.pooled.take() {
            None => new,
            Some(old) => Pooled {
                sum: update(old.sum, rows, |sum| sum + new.sum),
                max: update(old.max, rows, |max| max.max_pair(new.max)),
                last: update(old.last, rows, |_| new.last),
            },
        });
        self.state = Some(out.state);
        self.tokens.resize(self.tokens.len().max(rows), 0);
        for (total, length) in self.tokens.iter_mut().zip(lengths) {
            *total += length;
        }
        Ok(())
    }

    /// The vectors of all rows.
    pub(crate) fn vectors(&self, embedder: &Embedder) -> Vec<Vec<f32>> {
        let Some(Pooled { sum, max, last }) = self.pooled.clone() else { return Vec::new() };
        let [rows, width] = sum.dims();
        let parts = embedder.config().pooling.parts();
        // one transfer from the device
        let chosen = parts.iter().map(|pool| match pool {
            Pool::Last => last.clone(),
            Pool::Mean => sum.clone(),
            Pool::Max => max.clone(),
            Pool::Attention => unreachable!("EmbedderConfig::layer_index rejects attention"),
        });
        let data = Tensor::cat(chosen.collect(), 1).into_data();
        let values: Vec<f32> = data.iter::<f32>().collect();
        let mut vectors: Vec<Vec<f32>> = values.chunks_exact(parts.len() * width).map(<[f32]>::to_vec).collect();
        debug_assert_eq!(vectors.len(), rows);
        for (vector, tokens) in vectors.iter_mut().zip(&self.tokens) {
            for (part, pool) in vector.chunks_exact_mut(width).zip(parts) {
                if *pool == Pool::Mean {
                    part.iter_mut().for_each(|x| *x /= *tokens as f32);
                }
            }
            if embedder.config().normalize {
                normalize(vector);
            }
        }
        vectors
    }
}

/// Replaces the first `rows` rows of a `[batch, width]` tensor with `f` of them.
fn update(all: Tensor<2>, rows: usize, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let ended = all.dims()[0] - rows;
    match ended {
        0 => f(all),
        _ => Tensor::cat(vec![f(all.clone().narrow(0, 0, rows)), all.narrow(0, rows, ended)], 0),
    }
}

/// A streaming embedding: the vector of the text so far, to which text can be appended without processing the earlier
/// text again.
///
/// Each appended part is tokenized separately, so the vector equals that of the whole text if the parts are split
/// between tokens: anywhere for characters, at white space for words, and for byte-pair encoding where no merge spans
/// the split (before a space or a line break).
#[derive(Clone, Debug)]
pub struct StreamingEmbedding<'a> {
    embedder: &'a Embedder,
    state: StreamState<'a>,
    tokens: usize,
    /// Whether the text has a known token.
    known: bool,
}

#[derive(Clone, Debug)]
enum StreamState<'a> {
    Packed(&'a PackedEncoder, Session, pooled::Pooled),
    Tensor(Box<StreamedBatch>),
}

impl<'a> StreamingEmbedding<'a> {
    pub(crate) fn new(embedder: &'a Embedder) -> Self {
        let state = match embedder.packed() {
            Some(packed) => StreamState::Packed(packed, packed.session(1), packed.empty_pooled()),
            None => StreamState::Tensor(Box::default()),
        };
        Self { embedder, state, tokens: 0, known: false }
    }

    /// Appends text. Memory does not depend on the length of the earlier text.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if the text cannot be tokenized; the embedding is unchanged then.
    pub fn append(&mut self, text: &str) -> Result<(), EmbeddingError> {
        let ids = self.embedder.encode(text)?;
        self.known = self.known || self.embedder.tokenizer().knows(&ids);
        for window in ids.chunks(self.embedder.config().window) {
            match &mut self.state {
                StreamState::Packed(packed, session, pooled) => {
                    packed.append(session, &[window], std::slice::from_mut(pooled))
                }
                StreamState::Tensor(batch) => {
                    batch.append(self.embedder.model(), self.embedder.layer(), window, &[window.len()])?
                }
            }
            self.tokens += window.len();
        }
        Ok(())
    }

    /// The vector of the text so far, of dimension [`d_embedding`](Embedder::d_embedding); zeros before the first known
    /// token.
    ///
    /// # Errors
    /// [`EmbeddingError::VectorNotFinite`].
    pub fn vector(&self) -> Result<Vec<f32>, EmbeddingError> {
        if !self.known {
            return Ok(vec![0.0; self.embedder.d_embedding()]);
        }
        let vector = match &self.state {
            StreamState::Packed(packed, _, pooled) => packed.vectors(std::slice::from_ref(pooled)),
            StreamState::Tensor(batch) => batch.vectors(self.embedder).swap_remove(0),
        };
        finite::check(vector, self.embedder.path())
    }

    /// Number of tokens so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}
