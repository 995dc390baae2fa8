//! Export of an encoder to sentence-transformers.

use std::path::Path;

use elman_recurrence::CellKind;

use super::{directory::replace, model::EncoderModel};
use crate::error::EmbeddingError;

const MODULE: &str = include_str!("../../python/elman_encoder.py");

const MODULES: &str = r#"[{"idx": 0, "name": "0", "path": "", "type": "elman_encoder.Encoder"}]
"#;

/// The similarity function is the cosine; the version is the one that was tested.
const SETTINGS: &str = r#"{"__version__": {"sentence_transformers": "6.2.0"}, "similarity_fn_name": "cosine"}
"#;

impl EncoderModel {
    /// Makes the directory of a [saved](Self::save) encoder loadable by [sentence-transformers](https://sbert.net):
    /// adds `modules.json`, `config_sentence_transformers.json` and `elman_encoder.py`, which computes the same vectors
    /// with PyTorch. Load it with `SentenceTransformer(path, trust_remote_code=True)`.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for a cell that PyTorch does not have; [`EmbeddingError::Model`] if a file cannot be
    /// written.
    pub fn save_python(&self, path: impl AsRef<Path>) -> Result<(), EmbeddingError> {
        let cell = self.config.cell;
        if ![CellKind::Rnn, CellKind::Gru, CellKind::Lstm].contains(&cell) {
            return Err(EmbeddingError::Setting {
                name: "the cell of an encoder exported to Python",
                expected: "rnn, gru or lstm".into(),
                found: cell.to_string(),
            });
        }
        for (name, text) in
            [("elman_encoder.py", MODULE), ("config_sentence_transformers.json", SETTINGS), ("modules.json", MODULES)]
        {
            replace(&path.as_ref().join(name), text.as_bytes())?;
        }
        Ok(())
    }
}
