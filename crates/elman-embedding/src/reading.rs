use burn::tensor::Tensor;
use elman_lm::LanguageModel;
use elman_recurrence::{Sequence, State, packed::Session};

use crate::{
    embedder::Embedder,
    encoder::{host::HostModel, pooled},
    error::EmbeddingError,
    finite,
    mask::past_lengths,
    pooling::Pool,
    scale::normalize,
};

/// What has been read of several texts side by side: the network's state, and the hidden states pooled so far. Its size
/// does not depend on how much has been read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    state: Option<State>,
    pooled: Option<Pooled>,
    tokens: Vec<usize>,
}

/// Each `[batch, width]`.
#[derive(Clone, Debug)]
struct Pooled {
    sum: Tensor<2>,
    max: Tensor<2>,
    last: Tensor<2>,
}

impl Rows {
    /// Reads on in the first `lengths.len()` rows; the others have ended. `ids` is `[lengths.len(), time]` in row-major
    /// order, of which row `b` has `lengths[b]` tokens, at least one.
    pub(crate) fn read(
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
        let hidden = out.all_states.expect("all states were asked for").swap_remove(layer).hidden();
        let read = Pooled {
            sum: hidden.clone().sum_dim(1).squeeze_dim(1),
            max: past_lengths(hidden, lengths, f32::NEG_INFINITY).max_dim(1).squeeze_dim(1),
            last: out.state.hidden().narrow(0, layer, 1).squeeze_dim(0),
        };
        self.pooled = Some(match self.pooled.take() {
            None => read,
            Some(before) => Pooled {
                sum: update(before.sum, rows, |sum| sum + read.sum),
                max: update(before.max, rows, |max| max.max_pair(read.max)),
                last: update(before.last, rows, |_| read.last),
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
        // one read from the device
        let chosen = parts.iter().map(|pool| match pool {
            Pool::Last => last.clone(),
            Pool::Mean => sum.clone(),
            Pool::Max => max.clone(),
            Pool::Attention => unreachable!("the settings were checked"),
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

/// Replaces the first rows of a `[batch, width]` tensor by a function of them.
fn update(all: Tensor<2>, rows: usize, f: impl FnOnce(Tensor<2>) -> Tensor<2>) -> Tensor<2> {
    let ended = all.dims()[0] - rows;
    match ended {
        0 => f(all),
        _ => Tensor::cat(vec![f(all.clone().narrow(0, 0, rows)), all.narrow(0, rows, ended)], 0),
    }
}

/// A text that is being read: its embedding so far, to which more text can be appended without reading again what came
/// before.
///
/// The text is tokenised piece by piece, so the vector equals that of the whole text where the pieces are cut between
/// tokens: anywhere for characters, at white space for words, and for byte-pair encoding where no merge spans the cut
/// (before a space or a line's end).
#[derive(Clone, Debug)]
pub struct StreamingEmbedding<'a> {
    embedder: &'a Embedder,
    so_far: SoFar<'a>,
    tokens: usize,
    /// Whether the model knows anything of it.
    known: bool,
}

#[derive(Clone, Debug)]
enum SoFar<'a> {
    Host(&'a HostModel, Session, pooled::Pooled),
    Device(Box<Rows>),
}

impl<'a> StreamingEmbedding<'a> {
    pub(crate) fn new(embedder: &'a Embedder) -> Self {
        let so_far = match embedder.host() {
            Some(host) => SoFar::Host(host, host.session(1), host.nothing()),
            None => SoFar::Device(Box::default()),
        };
        Self { embedder, so_far, tokens: 0, known: false }
    }

    /// Reads on. Memory does not depend on what was read before.
    ///
    /// # Errors
    /// [`EmbeddingError::Text`] if the text cannot be tokenised; nothing has been read then.
    pub fn append(&mut self, text: &str) -> Result<(), EmbeddingError> {
        let ids = self.embedder.encode(text)?;
        self.known = self.known || self.embedder.tokenizer().knows(&ids);
        for window in ids.chunks(self.embedder.config().window) {
            match &mut self.so_far {
                SoFar::Host(host, session, pooled) => host.read(session, &[window], std::slice::from_mut(pooled)),
                SoFar::Device(rows) => {
                    rows.read(self.embedder.model(), self.embedder.layer(), window, &[window.len()])?
                }
            }
            self.tokens += window.len();
        }
        Ok(())
    }

    /// The vector of what has been read, [`d_embedding`](Embedder::d_embedding) wide; zeros before the first token that
    /// the model knows.
    ///
    /// # Errors
    /// [`EmbeddingError::VectorNotFinite`].
    pub fn vector(&self) -> Result<Vec<f32>, EmbeddingError> {
        if !self.known {
            return Ok(vec![0.0; self.embedder.d_embedding()]);
        }
        let vector = match &self.so_far {
            SoFar::Host(host, _, pooled) => host.vectors(std::slice::from_ref(pooled)),
            SoFar::Device(rows) => rows.vectors(self.embedder).swap_remove(0),
        };
        finite::check(vector, self.embedder.path())
    }

    /// Tokens read.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}
