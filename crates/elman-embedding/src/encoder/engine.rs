use burn::tensor::{Tensor, TensorData};
use elman_recurrence::{
    State,
    packed::{Session, WeightDtype},
};

use super::{
    config::EncoderConfig,
    host::{HostModel, back, numbers},
    model::EncoderModel,
    pooled::Pooled,
};
use crate::error::EmbeddingError;

/// Where vectors are computed.
#[derive(Debug)]
pub(crate) enum Engine {
    /// On a processor, with packed weights: several batches side by side, each on one thread.
    Host(Box<HostModel>),
    /// On a device, with tensors: one batch after the other.
    Device(Box<EncoderModel>),
}

/// The state of one text that is read window by window.
#[derive(Clone, Debug)]
pub(crate) enum Walk {
    Host(Session),
    Device(Option<State>),
}

impl Engine {
    pub fn new(model: EncoderModel, precision: WeightDtype, host: bool) -> Result<Self, EmbeddingError> {
        Ok(if host { Self::Host(Box::new(HostModel::new(&model, precision)?)) } else { Self::Device(Box::new(model)) })
    }

    /// The vectors of whole texts, at least one token each.
    pub fn vectors(&self, rows: &[&[u32]]) -> Result<Vec<f32>, EmbeddingError> {
        match self {
            Self::Host(model) => {
                let longest = rows.iter().map(|row| row.len()).max().unwrap_or(0);
                Ok(model.texts(rows, longest))
            }
            Self::Device(model) => {
                let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
                let time = lengths.iter().copied().max().unwrap_or(0);
                let pad =
                    |row: &&[u32]| row.iter().copied().chain(std::iter::repeat(0)).take(time).collect::<Vec<u32>>();
                let ids: Vec<u32> = rows.iter().flat_map(pad).collect();
                Ok(numbers(model.forward(model.tokens(&ids, [rows.len(), time])?, &lengths)))
            }
        }
    }

    /// At a text's begin.
    pub fn walk(&self) -> Walk {
        match self {
            Self::Host(model) => Walk::Host(model.session(1)),
            Self::Device(_) => Walk::Device(None),
        }
    }

    /// Reads on, at least one token.
    pub fn read(&self, walk: &mut Walk, ids: &[u32], pooled: &mut Pooled) -> Result<(), EmbeddingError> {
        match (self, walk) {
            (Self::Host(model), Walk::Host(session)) => model.read(session, &[ids], std::slice::from_mut(pooled)),
            (Self::Device(model), Walk::Device(state)) => {
                let before = state.take().filter(|_| !model.config.bidirectional);
                let (output, after) = model.read(model.tokens(ids, [1, ids.len()])?, &[ids.len()], before);
                *state = Some(after);
                let scores = model.attention.is_some().then(|| numbers(model.scores(output.clone())));
                let (width, outputs) = (model.config.d_output(), numbers(output));
                let output = |t: usize| &outputs[t * width..][..width];
                pooled.add(ids.len(), output, &scores.unwrap_or_default(), back(&model.config));
            }
            _ => unreachable!("a walk is of the engine that began it"),
        }
        Ok(())
    }

    /// The vector of what has been read, of at least one token.
    pub fn vector(&self, pooled: &Pooled) -> Vec<f32> {
        match self {
            Self::Host(model) => model.vectors(std::slice::from_ref(pooled)),
            Self::Device(model) => {
                let mut values = Vec::new();
                pooled.write(&mut values);
                let shape = [1, values.len()];
                let device = model.embedding.weight.device();
                numbers(model.project(Tensor::from_data(TensorData::new(values, shape), &device)))
            }
        }
    }
}

/// What is pooled of a text before its first token.
pub(crate) fn nothing(config: &EncoderConfig) -> Pooled {
    Pooled::new(config.pooling.parts(), config.d_output())
}
