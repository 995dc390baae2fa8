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

/// Why a command failed.
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
    /// A model whose settings are out of range, which is the file's fault and not the command line's.
    #[error("the model '{}' cannot be used", path.display())]
    DamagedModel { path: PathBuf, source: Box<lm::LmError> },
    #[error("'{}' is an encoder, which makes vectors of texts and cannot continue them: use embed, index, search or classify", path.display())]
    IsEncoder { path: PathBuf },
    #[error("cannot read '{name}'")]
    Read { name: String, source: io::Error },
    #[error("cannot write '{}'", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error("the validation text has {tokens} tokens and needs at least 2: give a longer text, or one with --valid")]
    ShortValidation { tokens: usize },
    #[error(
        "--precision {precision} keeps the directions of vectors alone, and --no-normalize is about their lengths: leave one of them out"
    )]
    Directions { precision: VectorDtype },
    /// Some of what was found in folders could not be read; the rest was.
    #[error("{count} {} left out", if *count == 1 { "file could not be read and was" } else { "files could not be read and were" })]
    LeftOut { count: usize },
    #[error("none of the {count} files could be read")]
    NothingRead { count: usize },
    #[error("the folder '{}' has no files, and the store has entries of {entries} texts in it: is a disk missing?", path.display())]
    EmptyFolder { path: PathBuf, entries: usize, command: String },
    #[error("'{name}' has no text")]
    NoText { name: String },
    #[error("'{}', {place}: the id '{}' is that of another text too: every entry needs its own", path.display(), id.escape_debug())]
    RepeatedId { path: PathBuf, place: RowLocation, id: String },
    #[error("--metadata {column}: entries have {column} already, that of the file; name the column otherwise")]
    MetadataColumn { column: String },
    #[error("'{}' has no examples", path.display())]
    NoExamples { path: PathBuf },
    #[error("'{}', {place}", path.display())]
    Example { path: PathBuf, place: RowLocation, source: ClassifyError },
    #[error("'{}' already has a {file}: choose another --out, or replace it with --force", path.display())]
    InTheWay { path: PathBuf, file: &'static str },
    #[error("'{}' has a {file} that is not of a demo: choose another --out", path.display())]
    NotOfDemo { path: PathBuf, file: &'static str },
    #[error("'{}' already has a training run: go on with --resume, choose another --out, or begin anew with --force", path.display())]
    Unfinished { path: PathBuf },
    #[error("'{}' has a model and no checkpoint to go on from: choose another --out, or begin anew with --force", path.display())]
    NoCheckpoint { path: PathBuf },
    #[error("cannot start a thread")]
    Thread { source: rayon::ThreadPoolBuildError },
    #[error("cannot wait for Ctrl-C")]
    Signal { source: ctrlc::Error },
    /// Training stopped at a point from which it can go on.
    #[error("{source}; to go on: {command}")]
    CanGoOn { source: Box<lm::LmError>, command: String },
    #[error("the pairs of '{}' have no correlation: all scores are equal, or all cosines", path.display())]
    NoCorrelation { path: PathBuf },
    #[error("the score of pair {number} is no number: '{found}'")]
    Score { number: usize, found: String },
    #[error("{option} is for language models: an encoder has learned how its vectors are made")]
    NotOfEncoder { option: &'static str },
    #[error("the store '{store}' has no entries: put some into it with 'elman index'")]
    EmptyStore { store: String },
    #[error("no entry of '{store}' meets the condition of --filter")]
    NoneAdmitted { store: String },
    #[error("the store '{store}' does not say which model made its vectors: give one that 'elman index' made")]
    NoIdentity { store: String },
    #[error("the store '{store}' was made with another model or other settings than '{}' has now: index the texts again into a new store, or give the right --model", model.display())]
    OtherModel { store: String, model: PathBuf },
    #[error("the model of the store '{store}' cannot be loaded (if it has moved, give --model)")]
    StoreModel { store: String, source: Box<CliError> },
    #[error("{option} needs a store in a folder, and '{store}' is on a server")]
    FolderOnly { option: &'static str, store: String },
    #[error("'{}' is there already: choose another --out, or replace it with --force", path.display())]
    ClassifierInTheWay { path: PathBuf },
    #[error("the classifier '{}' does not say which model made its vectors: give one that 'elman classify train' made", path.display())]
    NoClassifierModel { path: PathBuf },
    #[error("the classifier '{}' was trained with another model or other settings than '{}' has now: train it again, or give the right --model", classifier.display(), model.display())]
    OtherClassifierModel { classifier: PathBuf, model: PathBuf },
    #[error("the model of the classifier '{}' cannot be loaded (if it has moved, give --model)", classifier.display())]
    ClassifierModel { classifier: PathBuf, source: Box<CliError> },
}

impl CliError {
    /// The exit code of a process that Ctrl-C ended.
    pub const INTERRUPTED: u8 = 130;

    /// What training returned, with the command that goes on where that is possible.
    pub fn training(source: lm::LmError, command: String) -> Self {
        use lm::LmError::{Interrupted, Stopped};
        match source {
            Interrupted { .. } | Stopped { checkpoint: Some(_), .. } => {
                let resume = if command.contains(" --resume") { "" } else { " --resume" };
                Self::CanGoOn { source: source.into(), command: command.replace(" --force", "") + resume }
            }
            source => source.into(),
        }
    }

    /// As [`training`](Self::training), of an encoder.
    pub fn encoder_training(source: EmbeddingError, command: String) -> Self {
        match source {
            EmbeddingError::Model(source) => Self::training(source, command),
            source => source.into(),
        }
    }

    /// 2 where the command line is at fault, whatever the files hold; 130 where Ctrl-C ended it; else 1.
    fn exit_code(&self) -> u8 {
        use EmbeddingError::{Attention, Layer, Setting as OfEncoder, UnknownPooling, Zero};
        use TextError::{Glob, Vocabulary, Zero as ZeroTokens};
        use lm::LmError::{OtherRun, PlateauWithoutValidation, Setting, TooLarge, UnknownOptimizer, UnknownSchedule};
        match self {
            Self::CanGoOn { source, .. } if matches!(**source, lm::LmError::Interrupted { .. }) => Self::INTERRUPTED,
            Self::Device(_) | Self::Environment(_) | Self::InTheWay { .. } | Self::NotOfDemo { .. } => 2,
            Self::Unfinished { .. } | Self::NoCheckpoint { .. } | Self::NotOfEncoder { .. } => 2,
            Self::Directions { .. } | Self::MetadataColumn { .. } => 2,
            Self::ClassifierInTheWay { .. } => 2,
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

    /// Whether it is no failure: who read the output wants no more, as in `elman search … | head -1`.
    fn reader_left(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The error and its sources.
    pub fn in_words(&self) -> String {
        with_sources(self)
    }

    /// Tells the user in one line on standard error; returns the exit code.
    pub fn report(&self) -> ExitCode {
        if self.reader_left() {
            return ExitCode::SUCCESS;
        }
        let code = self.exit_code();
        let kind = match self {
            Self::LeftOut { .. } => "note: ",
            _ if code == Self::INTERRUPTED => "",
            _ => "error: ",
        };
        match self {
            // the command is to be typed again, and is whole therefore
            Self::CanGoOn { source, command } => {
                output::notice_with(format_args!("{kind}{}", with_sources(source)), &format!("; to go on: {command}"));
            }
            Self::EmptyFolder { command, .. } => {
                output::notice_with(format_args!("{kind}{self}"), &format!(" To remove them: {command}"));
            }
            _ => output::notice(format_args!("{kind}{}", self.in_words())),
        }
        ExitCode::from(code)
    }
}

/// The error and its sources, each that adds something, joined by colons.
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
    fn sources_are_told_once() {
        let source = io::Error::new(io::ErrorKind::NotFound, "no\nsuch file");
        let error = CliError::Read { name: "a".into(), source };
        assert_eq!(with_sources(&error), "cannot read 'a': no\nsuch file");
        let source = io::Error::new(io::ErrorKind::NotFound, "no such file");
        let error = CliError::Model(lm::LmError::Read { path: "a".into(), source });
        assert_eq!(with_sources(&error), "cannot read 'a': no such file");
    }

    #[test]
    fn only_mistakes_of_the_command_line_exit_with_2() {
        let setting = || lm::LmError::Setting { name: "x", expected: "y", found: "z".into() };
        assert_eq!(CliError::Model(setting()).exit_code(), 2);
        assert_eq!(CliError::DamagedModel { path: "m".into(), source: setting().into() }.exit_code(), 1);
        assert_eq!(CliError::NoText { name: "a".into() }.exit_code(), 1);
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        assert!(CliError::Output(io::ErrorKind::BrokenPipe.into()).reader_left());
        assert!(!CliError::Output(io::ErrorKind::StorageFull.into()).reader_left());
    }
}
