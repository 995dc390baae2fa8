use std::{error::Error, io, path::PathBuf, process::ExitCode};

use elman::{
    DeviceError,
    classify::ClassifyError,
    embedding::EmbeddingError,
    index::{IndexError, quantized::VectorDtype},
    lm,
    recurrence::{EnvironmentError, ImportError},
    text::{RowLocation, TextError},
};

use crate::output;

/// An error of a command.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Text(#[from] TextError),
    #[error(transparent)]
    Model(#[from] lm::LmError),
    #[error(transparent)]
    Embedding(#[from] EmbeddingError),
    #[error(transparent)]
    Weights(#[from] ImportError),
    #[error(transparent)]
    Store(#[from] IndexError),
    #[error(transparent)]
    Classify(#[from] ClassifyError),
    /// A model file whose settings are out of range, as opposed to an invalid option.
    #[error("the model '{}' cannot be used", path.display())]
    DamagedModel { path: PathBuf, source: Box<lm::LmError> },
    #[error("'{}' is an encoder, which cannot generate or predict text: use it with embed, index, search or classify", path.display())]
    IsEncoder { path: PathBuf },
    #[error("cannot read '{name}'")]
    Read { name: String, source: io::Error },
    #[error("cannot write '{}'", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error(
        "the validation text has {tokens} tokens, but needs at least 2: use a longer text or pass one with --valid"
    )]
    ShortValidation { tokens: usize },
    #[error("--no-normalize cannot be combined with --vector-dtype {vector_dtype}, which stores normalized vectors")]
    NormalizedOnly { vector_dtype: VectorDtype },
    /// Some files in directories could not be read; all others were.
    #[error("{count} {} skipped", if *count == 1 { "unreadable file was" } else { "unreadable files were" })]
    LeftOut { count: usize },
    #[error("none of the {count} files could be read")]
    NothingRead { count: usize },
    #[error("the directory '{}' is empty, but the store has {entries} {} from it: is a disk not mounted?", path.display(), if *entries == 1 { "entry" } else { "entries" })]
    EmptyDirectory { path: PathBuf, entries: usize, command: String },
    #[error("'{name}' has no text")]
    NoText { name: String },
    #[error("'{}', {location}: duplicate id '{}': ids must be unique", path.display(), id.escape_debug())]
    DuplicateId { path: PathBuf, location: RowLocation, id: String },
    #[error("--metadata {column}: the name '{column}' is reserved: rename the column")]
    MetadataColumn { column: String },
    #[error("'{}' has no examples", path.display())]
    NoExamples { path: PathBuf },
    #[error("'{}', {location}", path.display())]
    Example { path: PathBuf, location: RowLocation, source: ClassifyError },
    #[error("'{}' already has a {file}: use another --out, or --force to overwrite it", path.display())]
    AlreadyExists { path: PathBuf, file: &'static str },
    #[error("'{}' has a {file} that 'elman demo' did not write: use another --out", path.display())]
    NotADemo { path: PathBuf, file: &'static str },
    #[error("'{}' already has a training run: use --resume to continue it, --force to overwrite it, or another --out", path.display())]
    ExistingRun { path: PathBuf },
    #[error("'{}' has a model, but no checkpoint to resume from: use --force to overwrite it, or another --out", path.display())]
    NoCheckpoint { path: PathBuf },
    #[error("cannot start a thread")]
    Thread { source: rayon::ThreadPoolBuildError },
    #[error("cannot install a handler for Ctrl-C")]
    Signal { source: ctrlc::Error },
    /// Training stopped with a checkpoint that it can resume from.
    #[error("{source}; to resume: {command}")]
    Resumable { source: Box<lm::LmError>, command: String },
    #[error("no correlation for the pairs of '{}': all scores or all cosines are equal", path.display())]
    NoCorrelation { path: PathBuf },
    #[error("the score of pair {number} is not numeric: '{found}'")]
    Score { number: usize, found: String },
    #[error("{option} applies to language models only, not to encoders")]
    LanguageModelOnly { option: &'static str },
    #[error("the store '{store}' has no entries: add some with 'elman index'")]
    EmptyStore { store: String },
    #[error("no entry of '{store}' matches --filter")]
    NoMatch { store: String },
    #[error("the store '{store}' does not record the model of its vectors: use a store that 'elman index' created")]
    NoFingerprint { store: String },
    #[error("the store '{store}' was created with another model or other settings than '{}': index the texts into a new store, or pass the right --model", model.display())]
    OtherModel { store: String, model: PathBuf },
    #[error("cannot load the model of the store '{store}' (if it has moved, pass --model)")]
    StoreModel { store: String, source: Box<CliError> },
    #[error("{option} needs a local store, but '{store}' is on a server")]
    LocalOnly { option: &'static str, store: String },
    #[error("'{}' already exists: use another --out, or --force to overwrite it", path.display())]
    ClassifierExists { path: PathBuf },
    #[error("the classifier '{}' does not record the model of its vectors: use one that 'elman classify train' wrote", path.display())]
    NoClassifierModel { path: PathBuf },
    #[error("the classifier '{}' was trained with another model or other settings than '{}': train it again, or pass the right --model", classifier.display(), model.display())]
    OtherClassifierModel { classifier: PathBuf, model: PathBuf },
    #[error("cannot load the model of the classifier '{}' (if it has moved, pass --model)", classifier.display())]
    ClassifierModel { classifier: PathBuf, source: Box<CliError> },
}

impl CliError {
    /// Exit code of a process that Ctrl-C stopped.
    pub const INTERRUPTED: u8 = 130;

    /// An error of training, with the command that resumes it if that is possible.
    pub fn training(source: lm::LmError, command: String) -> Self {
        use lm::LmError::{Interrupted, Stopped};
        match source {
            Interrupted { .. } | Stopped { checkpoint: Some(_), .. } => {
                let resume = if command.contains(" --resume") { "" } else { " --resume" };
                Self::Resumable { source: source.into(), command: command.replace(" --force", "") + resume }
            }
            source => source.into(),
        }
    }

    /// Like [`training`](Self::training), for an encoder.
    pub fn encoder_training(source: EmbeddingError, command: String) -> Self {
        match source {
            EmbeddingError::Model(source) => Self::training(source, command),
            source => source.into(),
        }
    }

    /// 2 for an invalid command line, 130 after Ctrl-C, else 1.
    fn exit_code(&self) -> u8 {
        use EmbeddingError::{Attention, Layer, Setting as OfEncoder, UnknownPooling, Zero};
        use TextError::{Glob, Vocabulary, Zero as ZeroTokens};
        use lm::LmError::{OtherRun, PlateauWithoutValidation, Setting, TooLarge, UnknownOptimizer, UnknownSchedule};
        match self {
            Self::Resumable { source, .. } if matches!(**source, lm::LmError::Interrupted { .. }) => Self::INTERRUPTED,
            Self::Device(_) | Self::Environment(_) | Self::AlreadyExists { .. } | Self::NotADemo { .. } => 2,
            Self::ExistingRun { .. } | Self::NoCheckpoint { .. } | Self::LanguageModelOnly { .. } => 2,
            Self::NormalizedOnly { .. } | Self::MetadataColumn { .. } => 2,
            Self::ClassifierExists { .. } => 2,
            Self::Classify(ClassifyError::Setting { .. }) => 2,
            Self::Model(Setting { .. } | UnknownSchedule { .. } | UnknownOptimizer { .. } | TooLarge { .. })
            | Self::Model(PlateauWithoutValidation | OtherRun { .. }) => 2,
            Self::Text(Glob { .. } | Vocabulary { .. } | ZeroTokens { .. })
            | Self::Model(lm::LmError::Text(ZeroTokens { .. })) => 2,
            Self::Embedding(Layer { .. } | UnknownPooling { .. } | Zero { .. } | Attention | OfEncoder { .. }) => 2,
            Self::Embedding(EmbeddingError::Model(TooLarge { .. })) => 2,
            _ => 1,
        }
    }

    /// Whether the reader of the output closed the pipe, as in `elman search … | head -1`: not an error.
    fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The error with its sources.
    pub fn message(&self) -> String {
        with_sources(self)
    }

    /// Prints the error as one line on standard error; returns the exit code.
    pub fn report(&self) -> ExitCode {
        if self.is_broken_pipe() {
            return ExitCode::SUCCESS;
        }
        let code = self.exit_code();
        let kind = match self {
            Self::LeftOut { .. } => "note: ",
            _ if code == Self::INTERRUPTED => "",
            _ => "error: ",
        };
        match self {
            // never truncated: the command is meant to be copied
            Self::Resumable { source, command } => {
                output::notice_with(format_args!("{kind}{}", with_sources(source)), &format!("; to resume: {command}"));
            }
            Self::EmptyDirectory { command, .. } => {
                output::notice_with(format_args!("{kind}{self}"), &format!(" To remove them: {command}"));
            }
            _ => output::notice(format_args!("{kind}{}", self.message())),
        }
        ExitCode::from(code)
    }
}

/// The error and its sources, joined by colons. Skips sources whose message is already part of the text.
fn with_sources(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_not_repeated() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no\nsuch file");
        let error = CliError::Read { name: "a".into(), source };
        assert_eq!(with_sources(&error), "cannot read 'a': no\nsuch file");
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = CliError::Model(lm::LmError::Read { path: "a".into(), source });
        assert_eq!(with_sources(&error), "cannot read 'a': no such file");
    }

    #[test]
    fn exit_code_2_is_for_invalid_command_lines_only() {
        let setting = || lm::LmError::Setting { name: "x", expected: "y", found: "z".into() };
        assert_eq!(CliError::Model(setting()).exit_code(), 2);
        assert_eq!(CliError::DamagedModel { path: "m".into(), source: setting().into() }.exit_code(), 1);
        assert_eq!(CliError::NoText { name: "a".into() }.exit_code(), 1);
    }

    #[test]
    fn a_broken_pipe_is_not_an_error() {
        assert!(CliError::Output(io::ErrorKind::BrokenPipe.into()).is_broken_pipe());
        assert!(!CliError::Output(io::ErrorKind::StorageFull.into()).is_broken_pipe());
    }
}
