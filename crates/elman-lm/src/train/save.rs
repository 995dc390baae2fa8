use std::path::{Path, PathBuf};

use elman_text::TextTokenizer;

use super::{Event, Observer};
use crate::{card::ModelCard, error::LmError, files};

/// Saves the best model so far to a directory, with its metrics in the model card, so that it is not lost if training
/// is interrupted.
#[derive(Clone, Debug)]
pub struct SaveBest<'a> {
    path: PathBuf,
    tokenizer: &'a TextTokenizer,
    card: ModelCard,
}

impl<'a> SaveBest<'a> {
    /// Saves to the directory at `path` with [`LanguageModel::save_dir`](crate::LanguageModel::save_dir).
    pub fn new(path: impl AsRef<Path>, tokenizer: &'a TextTokenizer, card: ModelCard) -> Self {
        Self { path: path.as_ref().into(), tokenizer, card }
    }
}

impl Observer for SaveBest<'_> {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Start(_) => files::remove_leftovers(&self.path),
            Event::Best(model, epoch) => {
                self.card.result = Some(epoch.clone());
                model.save_dir(&self.path, self.tokenizer, &self.card)?;
            }
            _ => {}
        }
        Ok(())
    }
}
