use burn::module::Module;
use elman_layers::cpu::is_cpu;
use elman_recurrence::{Output, Sequence, State, packed::WeightDtype};

use crate::{
    error::LmError,
    model::LanguageModel,
    packed::{PackedModel, PackedSession},
};

/// Runs a [`LanguageModel`] or a [`PackedModel`] for [`generate`](super::generate()). A model on a CPU is packed first;
/// a model on another device runs there.
pub struct Reader(Inner);

enum Inner {
    Packed(PackedSession),
    Tensors { model: Box<LanguageModel>, state: Option<State> },
}

impl From<&LanguageModel> for Reader {
    fn from(model: &LanguageModel) -> Self {
        let packed = is_cpu(&model.device()).then(|| model.pack(WeightDtype::F32).ok()).flatten();
        packed.map_or_else(
            || Self(Inner::Tensors { model: Box::new(model.valid()), state: None }),
            |packed| (&packed).into(),
        )
    }
}

impl From<&PackedModel> for Reader {
    fn from(model: &PackedModel) -> Self {
        Self(Inner::Packed(model.session(1)))
    }
}

impl Reader {
    /// Reads more tokens and returns the logits after the last one.
    pub(super) fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, LmError> {
        /// Tokens of a prompt that are processed together; limits the memory.
        const CHUNK: usize = 256;
        let mut last = None;
        for ids in tokens.chunks(CHUNK) {
            match &mut self.0 {
                Inner::Packed(session) => session.read(ids)?,
                Inner::Tensors { model, state } => {
                    let tokens = model.tokens(ids, [1, ids.len()])?;
                    let out = model.hidden(tokens, Sequence::new().with_state(state.take()));
                    let Output { output, state: next, .. } = out;
                    *state = Some(next);
                    last = Some(output.narrow(1, ids.len() - 1, 1));
                }
            }
        }
        let logits: Vec<f32> = match (&mut self.0, last) {
            (Inner::Packed(session), _) => session.last_logits().to_vec(),
            (Inner::Tensors { model, .. }, Some(hidden)) => model.logits(hidden).into_data().iter::<f32>().collect(),
            (Inner::Tensors { .. }, None) => unreachable!("at least one token is unread"),
        };
        if logits.iter().all(|logit| logit.is_finite()) { Ok(logits) } else { Err(LmError::NotFinite) }
    }
}
