use std::path::PathBuf;

use elman::{
    lm::{CorpusInfo, TrainConfig},
    text::{BpttBatches, Corpus, Find, LeftOut, TextTokenizer, TokenizerConfig, Tokens},
};

use crate::{error::CliError, holdout};

/// What a model is trained with.
pub struct Texts {
    pub tokenizer: TextTokenizer,
    pub train: Tokens,
    pub valid: Tokens,
    /// What they are called.
    names: [String; 2],
}

impl Texts {
    /// Reads the texts; without one to validate on, the end of the others is held out. `tell` is told what is left out.
    pub fn read(
        files: &[PathBuf],
        valid: Option<&PathBuf>,
        find: &Find,
        tokenizer: &TokenizerConfig,
        tell: impl Fn(&[LeftOut]),
    ) -> Result<Self, CliError> {
        // all are opened first: that one of them changes meanwhile is noticed
        let corpus = Corpus::open_with(find, files)?;
        let every = Corpus::open_with(find, files.iter().chain(valid))?;
        let valid_corpus = valid.map(|valid| Corpus::open_with(find, [valid])).transpose()?;
        tell(every.left_out());
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
        Ok(Self { tokenizer, train, valid: held_out, names: [name, valid_name] })
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
