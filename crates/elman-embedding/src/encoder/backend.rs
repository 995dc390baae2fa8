use burn::tensor::{Tensor, TensorData};
use elman_recurrence::{
    State,
    packed::{Session, WeightDtype},
};

use super::{
    config::EncoderConfig,
    model::EncoderModel,
    packed::{PackedEncoder, reverse_units, values},
    pooled::Pooled,
};
use crate::error::EmbeddingError;

/// How vectors are computed.
#[derive(Debug)]
pub(crate) enum InferenceBackend {
    /// On the CPU with packed weights: batches run in parallel, one thread each.
    Packed(Box<PackedEncoder>),
    /// On any device with tensors: one batch at a time.
    Tensor(Box<EncoderModel>),
}

/// The recurrent state of one text that is processed window by window.
#[derive(Clone, Debug)]
pub(crate) enum StreamState {
    Packed(Session),
    Tensor(Option<State>),
}

impl InferenceBackend {
    pub fn new(model: EncoderModel, dtype: WeightDtype, packed: bool) -> Result<Self, EmbeddingError> {
        Ok(match packed {
            true => Self::Packed(Box::new(PackedEncoder::new(&model, dtype)?)),
            false => Self::Tensor(Box::new(model)),
        })
    }

    /// The vectors of whole texts of at least one token each.
    pub fn vectors(&self, rows: &[&[u32]]) -> Result<Vec<f32>, EmbeddingError> {
        match self {
            Self::Packed(model) => {
                let max_length = rows.iter().map(|row| row.len()).max().unwrap_or(0);
                Ok(model.texts(rows, max_length))
            }
            Self::Tensor(model) => {
                let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
                let time = lengths.iter().copied().max().unwrap_or(0);
                let pad =
                    |row: &&[u32]| row.iter().copied().chain(std::iter::repeat(0)).take(time).collect::<Vec<u32>>();
                let ids: Vec<u32> = rows.iter().flat_map(pad).collect();
                Ok(values(model.forward(model.tokens(&ids, [rows.len(), time])?, &lengths)))
            }
        }
    }

    /// The state before the first token.
    pub fn initial_state(&self) -> StreamState {
        match self {
            Self::Packed(model) => StreamState::Packed(model.session(1)),
            Self::Tensor(_) => StreamState::Tensor(None),
        }
    }

    /// Processes the next window, at least one token.
    pub fn append(&self, state: &mut StreamState, ids: &[u32], pooled: &mut Pooled) -> Result<(), EmbeddingError> {
        match (self, state) {
            (Self::Packed(model), StreamState::Packed(session)) => {
                model.append(session, &[ids], std::slice::from_mut(pooled));
            }
            (Self::Tensor(model), StreamState::Tensor(state)) => {
                let previous = state.take().filter(|_| !model.config.bidirectional);
                let (output, next) =
                    model.forward_recurrent(model.tokens(ids, [1, ids.len()])?, &[ids.len()], previous);
                *state = Some(next);
                let scores = model.attention.is_some().then(|| values(model.attention_scores(output.clone())));
                let (width, outputs) = (model.config.d_output(), values(output));
                let output = |t: usize| &outputs[t * width..][..width];
                pooled.add(ids.len(), output, &scores.unwrap_or_default(), reverse_units(&model.config));
            }
            _ => unreachable!("the state belongs to another backend"),
        }
        Ok(())
    }

    /// The vector of the tokens so far, at least one.
    pub fn vector(&self, pooled: &Pooled) -> Vec<f32> {
        match self {
            Self::Packed(model) => model.vectors(std::slice::from_ref(pooled)),
            Self::Tensor(model) => {
                let mut data = Vec::new();
                pooled.write(&mut data);
                let shape = [1, data.len()];
                let device = model.embedding.weight.device();
                values(model.project(Tensor::from_data(TensorData::new(data, shape), &device)))
            }
        }
    }
}

/// The pooling state before the first token.
pub(crate) fn empty_pooled(config: &EncoderConfig) -> Pooled {
    Pooled::new(config.pooling.parts(), config.d_output())
}
