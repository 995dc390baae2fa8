//! The files by which sentence-transformers reads an encoder's directory.

use std::path::Path;

use elman_recurrence::CellKind;

use super::{directory::replace, model::EncoderModel};
use crate::error::EmbeddingError;

const MODULE: &str = include_str!("../../python/elman_encoder.py");

const MODULES: &str = r#"[{"idx": 0, "name": "0", "path": "", "type": "elman_encoder.Encoder"}]
"#;

/// The similarity is the cosine; the versions are of what it was tried with.
const SETTINGS: &str = r#"{"__version__": {"sentence_transformers": "6.2.0"}, "similarity_fn_name": "cosine"}
"#;

impl EncoderModel {
    /// Makes a [saved](Self::save) encoder's directory one of [sentence-transformers](https://sbert.net) too: beside what is there
    /// come `modules.json`, `config_sentence_transformers.json` and `elman_encoder.py`, which computes the same vectors with
    /// torch. It is loaded with `SentenceTransformer(path, trust_remote_code=True)`.
    ///
    /// # Errors
    /// [`EmbeddingError::Setting`] for a cell that torch does not have; [`EmbeddingError::Model`] if a file cannot be written.
    pub fn save_python(&self, path: impl AsRef<Path>) -> Result<(), EmbeddingError> {
        let cell = self.config.cell;
        if ![CellKind::Rnn, CellKind::Gru, CellKind::Lstm].contains(&cell) {
            return Err(EmbeddingError::Setting {
                name: "the cell of an encoder for Python",
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
