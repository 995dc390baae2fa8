use std::path::PathBuf;

use elman::{
    lm::{CorpusInfo, TrainConfig},
    text::{BpttBatches, Corpus, Encoding, TextTokenizer, TokenizerConfig, Tokens},
};

use crate::{error::CliError, finding::Finding, holdout};

/// What a model is trained with.
pub struct Texts {
    pub tokenizer: TextTokenizer,
    pub train: Tokens,
    pub valid: Tokens,
    /// What they are called.
    names: [String; 2],
}

impl Texts {
    /// Reads the texts; without one to validate on, the end of the others is held out. An error for the end, where something
    /// of a folder is left out because it cannot be read, is the other part of the answer.
    pub fn read(
        files: &[PathBuf],
        valid: Option<&PathBuf>,
        finding: &Finding,
        encoding: Encoding,
        tokenizer: &TokenizerConfig,
    ) -> Result<(Self, Result<(), CliError>), CliError> {
        // all are opened first: that one of them changes meanwhile is noticed
        let find = finding.find()?.with_encoding(encoding);
        let corpus = Corpus::open_with(&find, files)?;
        let valid_corpus = valid.map(|valid| Corpus::open_with(&find, [valid])).transpose()?;
        let every = match &valid_corpus {
            Some(valid) => corpus.clone().chain(valid.clone()),
            None => corpus.clone(),
        };
        let complete = finding.tell_all(every.left_out());
        let tokenizer = tokenizer.train(&every)?;
        let name = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
        let (train, held_out, valid_name) = match valid.zip(valid_corpus) {
            Some((valid, valid_corpus)) => {
                let held_out = valid_corpus.encode(&tokenizer)?;
                (corpus.encode(&tokenizer)?, held_out, valid.display().to_string())
            }
            None => {
                let (train, held_out) = holdout::encode(&corpus, &tokenizer)?;
                (train, held_out, format!("the last {} % of the same", holdout::PERCENT))
            }
        };
        Ok((Self { tokenizer, train, valid: held_out, names: [name, valid_name] }, complete))
    }

    /// Fails before anything is written where the texts are too short to train or to validate on.
    pub fn check(&self, settings: &TrainConfig) -> Result<(), CliError> {
        BpttBatches::new(&self.train, settings.batch, settings.bptt)?;
        match self.valid.len() {
            tokens @ 0..2 => Err(CliError::ShortValidation { tokens }),
            _ => Ok(()),
        }
    }

    /// What the model card says of them.
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
