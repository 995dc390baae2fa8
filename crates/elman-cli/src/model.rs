//! Model directories: loading one, and keeping one from being overwritten.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use elman::{
    burn::tensor::Device,
    embedding::encoder::is_encoder,
    lm::{self, LanguageModel, train::Checkpoints},
    text::{TextTokenizer, Tokenizer},
};

use crate::{error::CliError, output};

/// The option that names a trained model.
#[derive(Args, Debug)]
pub struct ModelOption {
    /// The model: a directory that 'elman train' or 'elman import' wrote
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
}

/// The option that names a model for embedding.
#[derive(Args, Debug)]
pub struct EmbeddingModel {
    /// The model: a directory that 'elman encoder train', 'elman train' or 'elman import' wrote [default: elman-small-en,
    /// which comes with the program, for English]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

impl EmbeddingModel {
    /// The directory; none for the model that comes with the program.
    pub fn path(&self) -> Option<&Path> {
        self.model.as_deref()
    }
}

impl ModelOption {
    /// Loads the model and its tokenizer.
    pub fn load(&self, device: &Device) -> Result<(LanguageModel, TextTokenizer), CliError> {
        if is_encoder(&self.model) {
            return Err(CliError::IsEncoder { path: self.model.clone() });
        }
        LanguageModel::load_dir(&self.model, device).map_err(|source| damaged(&self.model, source))
    }

    /// What went wrong with the model after it was loaded. A setting is the command line's then.
    pub fn failed(&self, source: lm::LmError) -> CliError {
        match source {
            lm::LmError::NotFinite => damaged(&self.model, source),
            source => source.into(),
        }
    }
}

/// A setting out of range is the command line's fault everywhere but in a model's own file; an output that is not finite is the
/// model's, which does not know where it is from.
pub fn damaged(path: &Path, source: lm::LmError) -> CliError {
    match source {
        lm::LmError::Setting { .. } | lm::LmError::NotFinite => {
            CliError::DamagedModel { path: path.into(), source: source.into() }
        }
        source => source.into(),
    }
}

/// The options of commands that write a model directory.
#[derive(Args, Debug)]
pub struct OutOption {
    /// Where to put the model: a directory, made if it is not there
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Replace a model that is in the directory already
    #[arg(long)]
    pub force: bool,
}

/// The files of a model; none is overwritten without being told to.
pub const MODEL: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "README.md"];

/// The figures of training, as JSON lines.
pub const LOG: &str = "train.jsonl";

/// The loss over training, drawn.
pub const CURVES: &str = "curves.svg";

/// All about training on a page.
pub const REPORT: &str = "report.html";

impl OutOption {
    /// Refuses a directory whose files would be overwritten.
    pub fn check(&self) -> Result<(), CliError> {
        if self.force {
            return Ok(());
        }
        // a log without a model beside it is of a run that ended before its first epoch did, and of no use to anyone
        let there = |file: &&&str| self.out.join(file).exists();
        let figures: &[&str] = if is_log(&self.out.join(LOG)) { &[] } else { &[LOG, CURVES, REPORT] };
        match MODEL.iter().chain(figures).find(there) {
            Some(file) => Err(CliError::InTheWay { path: self.out.clone(), file }),
            None => Ok(()),
        }
    }

    /// As [`check`](Self::check), for training that may go on from a checkpoint.
    pub fn check_run(&self, checkpoints: &Checkpoints, resume: bool) -> Result<(), CliError> {
        match (checkpoints.list()?.is_empty(), resume) {
            (false, true) => Ok(()),
            (false, false) if !self.force => Err(CliError::Unfinished { path: self.out.clone() }),
            (true, true) => self.check().map_err(|_| CliError::NoCheckpoint { path: self.out.clone() }),
            _ => self.check(),
        }
    }

    /// Makes the directory.
    pub fn create(&self) -> Result<(), CliError> {
        let failed = |source| CliError::Write { path: self.out.clone(), source };
        std::fs::create_dir_all(&self.out).map_err(failed)
    }

    /// The name of the model: the directory's.
    pub fn name(&self) -> String {
        self.out.file_name().unwrap_or(self.out.as_os_str()).to_string_lossy().into_owned()
    }
}

/// Whether a file is a log of training.
fn is_log(path: &Path) -> bool {
    const START: &[u8] = br#"{"event":"start","#;
    let mut begin = Vec::new();
    let read = elman_files::open(path).and_then(|file| file.take(START.len() as u64).read_to_end(&mut begin));
    read.is_ok() && (begin.is_empty() || begin == START)
}

/// What was given to a model that it has no token for says nothing to it, which its user should know.
pub fn warn_of_unknown(what: &str, text: &str, tokenizer: &TextTokenizer) -> Result<(), CliError> {
    let ids = tokenizer.encode(text)?;
    let unknown = ids.iter().filter(|id| Some(**id) == tokenizer.unknown_id()).count();
    if !text.is_empty() && !tokenizer.knows(&ids) && unknown == ids.len() {
        output::notice(format_args!("note: the model knows nothing of the {what}"));
    } else if unknown > 0 {
        let name = tokenizer.unknown_id().and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
        output::notice(format_args!(
            "note: the model does not know {unknown} of the {what}'s tokens and reads {name} instead"
        ));
    }
    Ok(())
}
