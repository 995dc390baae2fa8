use burn::module::Module;
use elman_layers::cpu::is_cpu;
use elman_recurrence::{Output, Sequence, State, packed::WeightDtype};

use crate::{
    error::LmError,
    model::LanguageModel,
    packed::{PackedModel, PackedSession},
};

/// A model that reads a text to continue it: what [`generate`](super::generate()) makes of a [`LanguageModel`] or a
/// [`PackedModel`]. A model on a processor is packed, one on another device stays where it is.
pub struct Reader(Reads);

enum Reads {
    Packed(PackedSession),
    Tensors { model: Box<LanguageModel>, state: Option<State> },
}

impl From<&LanguageModel> for Reader {
    fn from(model: &LanguageModel) -> Self {
        let packed = is_cpu(&model.device()).then(|| model.pack(WeightDtype::F32).ok()).flatten();
        packed.map_or_else(
            || Self(Reads::Tensors { model: Box::new(model.valid()), state: None }),
            |packed| (&packed).into(),
        )
    }
}

impl From<&PackedModel> for Reader {
    fn from(model: &PackedModel) -> Self {
        Self(Reads::Packed(model.session(1)))
    }
}

impl Reader {
    /// Reads on, and returns the logits after the last token.
    pub(super) fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>, LmError> {
        /// Tokens of a long prompt that are read at once; bounds the memory.
        const AT_ONCE: usize = 256;
        let mut last = None;
        for ids in tokens.chunks(AT_ONCE) {
            match &mut self.0 {
                Reads::Packed(session) => session.read(ids)?,
                Reads::Tensors { model, state } => {
                    let tokens = model.tokens(ids, [1, ids.len()])?;
                    let out = model.hidden(tokens, Sequence::new().with_state(state.take()));
                    let Output { output, state: next, .. } = out;
                    *state = Some(next);
                    last = Some(output.narrow(1, ids.len() - 1, 1));
                }
            }
        }
        let logits: Vec<f32> = match (&mut self.0, last) {
            (Reads::Packed(session), _) => session.last_logits().to_vec(),
            (Reads::Tensors { model, .. }, Some(hidden)) => model.logits(hidden).into_data().iter::<f32>().collect(),
            (Reads::Tensors { .. }, None) => unreachable!("there is always a token that the model has not read"),
        };
        if logits.iter().all(|logit| logit.is_finite()) { Ok(logits) } else { Err(LmError::NotFinite) }
    }
}
