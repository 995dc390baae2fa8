use std::path::PathBuf;

use elman::{
    lm::{CorpusInfo, TrainConfig},
    text::{BpttBatches, Corpus, Encoding, TextTokenizer, TokenizerConfig, Tokens},
};

use crate::{error::CliError, file_selection::FileSelection, holdout};

/// The texts of a training run, and their tokenizer.
pub struct Texts {
    pub tokenizer: TextTokenizer,
    pub train: Tokens,
    pub valid: Tokens,
    /// The names of the training and the validation text.
    names: [String; 2],
}

impl Texts {
    /// Reads the texts. Without a validation text, the end of the training text is held out. The second value is an
    /// error if files in directories could not be read, which the caller returns at the end.
    pub fn read(
        files: &[PathBuf],
        valid: Option<&PathBuf>,
        selection: &FileSelection,
        encoding: Encoding,
        tokenizer: &TokenizerConfig,
    ) -> Result<(Self, Result<(), CliError>), CliError> {
        // opens all files first, which detects changes in the meantime
        let find = selection.finder()?.with_encoding(encoding);
        let corpus = Corpus::open_with(&find, files)?;
        let valid_corpus = valid.map(|valid| Corpus::open_with(&find, [valid])).transpose()?;
        let all = match &valid_corpus {
            Some(valid) => corpus.clone().chain(valid.clone()),
            None => corpus.clone(),
        };
        let complete = selection.report_all(all.left_out());
        let tokenizer = tokenizer.train(&all)?;
        let name = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let (train, held_out, valid_name) = match valid.zip(valid_corpus) {
            Some((valid, valid_corpus)) => {
                let held_out = valid_corpus.encode(&tokenizer)?;
                (corpus.encode(&tokenizer)?, held_out, valid.display().to_string())
            }
            None => {
                let (train, held_out) = holdout::encode(&corpus, &tokenizer)?;
                (train, held_out, format!("the last {} % of the training text", holdout::PERCENT))
            }
        };
        Ok((Self { tokenizer, train, valid: held_out, names: [name, valid_name] }, complete))
    }

    /// Fails if the training or the validation text is too short.
    pub fn check(&self, settings: &TrainConfig) -> Result<(), CliError> {
        BpttBatches::new(&self.train, settings.batch, settings.bptt)?;
        match self.valid.len() {
            tokens @ 0..2 => Err(CliError::ShortValidation { tokens }),
            _ => Ok(()),
        }
    }

    /// The description of the texts for the model card.
    pub fn info(&self) -> Vec<CorpusInfo> {
        let info = |role: &str, name: &str, tokens: &Tokens| CorpusInfo {
            role: role.into(),
            name: name.into(),
            tokens: tokens.len(),
            characters: tokens.characters(),
            bytes: tokens.bytes(),
        };
        vec![info("train", &self.names[0], &self.train), info("validation", &self.names[1], &self.valid)]
    }
}
