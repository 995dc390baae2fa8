//! Model directories: loading, and protection against overwriting.

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

/// The option that selects a language model.
#[derive(Args, Debug)]
pub struct ModelOption {
    /// Model directory, written by 'elman train' or 'elman import'
    #[arg(long, value_name = "DIR")]
    pub model: PathBuf,
}

/// The option that selects an embedding model.
#[derive(Args, Debug)]
pub struct EmbeddingModel {
    /// Model directory, written by 'elman encoder train', 'elman train' or 'elman import' [default: elman-small-en, the
    /// built-in encoder for English]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

impl EmbeddingModel {
    /// The directory; `None` for the built-in model.
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

    /// Converts an error of a loaded model. An invalid setting is then an invalid option.
    pub fn error(&self, source: lm::LmError) -> CliError {
        match source {
            lm::LmError::NotFinite => damaged(&self.model, source),
            source => source.into(),
        }
    }
}

/// Converts an error of the model at `path`: attributes an invalid setting to the model's files, not to the command
/// line, and adds the path to the error of a non-finite output.
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
    /// Output directory for the model; created if it does not exist
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,

    /// Overwrite an existing model in the directory
    #[arg(long)]
    pub force: bool,
}

/// The files of a model, which are overwritten only with `--force`.
pub const MODEL_FILES: [&str; 4] = ["config.json", "model.safetensors", "tokenizer.json", "README.md"];

/// The training log, in JSON Lines.
pub const LOG: &str = "train.jsonl";

/// The chart of the loss curve.
pub const CURVES: &str = "curves.svg";

/// The training report, an HTML page.
pub const REPORT: &str = "report.html";

impl OutOption {
    /// Fails if files of the directory would be overwritten without `--force`.
    pub fn check(&self) -> Result<(), CliError> {
        if self.force {
            return Ok(());
        }
        // a log without a model comes from a run that ended during its first epoch, and may be overwritten
        let exists = |file: &&&str| self.out.join(file).exists();
        let reports: &[&str] = if is_log(&self.out.join(LOG)) { &[] } else { &[LOG, CURVES, REPORT] };
        match MODEL_FILES.iter().chain(reports).find(exists) {
            Some(file) => Err(CliError::AlreadyExists { path: self.out.clone(), file }),
            None => Ok(()),
        }
    }

    /// Like [`check`](Self::check), for training that may resume from a checkpoint.
    pub fn check_run(&self, checkpoints: &Checkpoints, resume: bool) -> Result<(), CliError> {
        match (checkpoints.list()?.is_empty(), resume) {
            (false, true) => Ok(()),
            (false, false) if !self.force => Err(CliError::ExistingRun { path: self.out.clone() }),
            (true, true) => self.check().map_err(|_| CliError::NoCheckpoint { path: self.out.clone() }),
            _ => self.check(),
        }
    }

    /// Creates the directory.
    pub fn create(&self) -> Result<(), CliError> {
        let failed = |source| CliError::Write { path: self.out.clone(), source };
        std::fs::create_dir_all(&self.out).map_err(failed)
    }

    /// The name of the model: that of the directory.
    pub fn name(&self) -> String {
        self.out.file_name().unwrap_or(self.out.as_os_str()).to_string_lossy().into_owned()
    }
}

/// Whether a file is an elman training log.
fn is_log(path: &Path) -> bool {
    const START: &[u8] = br#"{"event":"start","#;
    let mut start = Vec::new();
    let read = elman_files::open(path).and_then(|file| file.take(START.len() as u64).read_to_end(&mut start));
    read.is_ok() && (start.is_empty() || start == START)
}

/// Prints a note if the tokenizer does not know some or all of a text.
pub fn warn_about_unknown_tokens(what: &str, text: &str, tokenizer: &TextTokenizer) -> Result<(), CliError> {
    let ids = tokenizer.encode(text)?;
    let unknown = ids.iter().filter(|id| Some(**id) == tokenizer.unknown_id()).count();
    if !text.is_empty() && !tokenizer.knows(&ids) && unknown == ids.len() {
        output::notice(format_args!("note: the model has no tokens for the {what}"));
    } else if unknown > 0 {
        let name = tokenizer.unknown_id().and_then(|id| tokenizer.id_to_token(id)).unwrap_or_default();
        let tokens = if unknown == 1 { "token" } else { "tokens" };
        output::notice(format_args!("note: {unknown} unknown {tokens} of the {what} replaced by {name}"));
    }
    Ok(())
}
