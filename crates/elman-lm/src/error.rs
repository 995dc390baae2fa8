use std::{io, path::PathBuf};

use elman_recurrence::{ImportError, packed::PackError};
use elman_text::TextError;

/// Why a language model could not be created, trained, evaluated, run, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LmError {
    /// A setting has a value outside its range.
    #[error("{name} must be {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// A description of its range.
        expected: &'static str,
        /// Its value.
        found: String,
    },
    /// Not the name of a learning-rate schedule.
    #[error(
        "unknown schedule '{found}': expected constant, cosine, cosine:warmup=STEPS, plateau or plateau:factor=NUMBER"
    )]
    UnknownSchedule {
        /// The text.
        found: String,
    },
    /// Not the name of an optimizer.
    #[error("unknown optimizer '{found}': expected sgd, adam or adamw")]
    UnknownOptimizer {
        /// The text.
        found: String,
    },
    /// The plateau schedule needs a validation loss.
    #[error("the plateau schedule needs a validation loss: pass a validation text, or choose constant or cosine")]
    PlateauWithoutValidation,
    /// The text could not be split into batches or encoded, has a token that the model does not know, or the tokenizer
    /// could not be read or written.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The loss became infinite or NaN.
    #[error(
        "training diverged at step {step}: loss {loss}, gradient norm {gradient_norm}; lower the learning rate or the gradient clip"
    )]
    Diverged {
        /// The first step (from 1) with such a loss.
        step: usize,
        /// The loss.
        loss: f32,
        /// The global norm of the gradients of that step, before clipping.
        gradient_norm: f32,
    },
    /// A tensor that a window needs exceeds the device's limit.
    #[error(
        "{rows} rows of {steps} steps need a tensor of {:.2} GB, and the device's limit is {:.2} GB; {fitting} rows would fit, or fewer steps",
        *needed as f64 / 1e9, *limit as f64 / 1e9
    )]
    TooLarge {
        /// Rows of the batch.
        rows: usize,
        /// Time steps of a window.
        steps: usize,
        /// Bytes of the largest tensor.
        needed: u64,
        /// The device's limit in bytes.
        limit: u64,
        /// Rows that fit with the same number of steps.
        fitting: u64,
    },
    /// Neither a number of steps nor a duration.
    #[error("invalid interval '{found}': expected steps (500) or a duration (10m, 90s, 2h), above 0")]
    UnknownEvery {
        /// The text.
        found: String,
    },
    /// A file is not a training log.
    #[error("'{}' is not a training log: line {line}: {reason}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// Training cannot resume from a checkpoint.
    #[error("cannot resume from '{}': {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A checkpoint is of another model, another text, or of settings that cannot change within a run.
    #[error("'{}' is a checkpoint of another run: {setting} is now {now}, was {was}; restore it or use another directory", path.display())]
    OtherRun {
        /// The checkpoint.
        path: PathBuf,
        /// The setting that differs.
        setting: String,
        /// Its value in the checkpoint.
        was: String,
        /// Its value in this run.
        now: String,
    },
    /// Training was asked to stop and stopped after a step.
    #[error("interrupted after step {step}{}", saved(checkpoint))]
    Interrupted {
        /// Steps done.
        step: usize,
        /// The checkpoint to resume from, if checkpoints are enabled.
        checkpoint: Option<PathBuf>,
    },
    /// A checkpoint could not be created.
    #[error("cannot create a checkpoint: {reason}")]
    NotSaved {
        /// burn's reason.
        reason: String,
    },
    /// Training failed.
    #[error("{source}{}", last_good(checkpoint))]
    Stopped {
        /// The latest checkpoint, if there is one.
        checkpoint: Option<PathBuf>,
        /// Why.
        source: Box<LmError>,
    },
    /// The model's output is infinite or NaN.
    #[error("the model's output is not finite: its weights are damaged, or its training diverged")]
    NotFinite,
    /// The weights cannot be packed.
    #[error(transparent)]
    Pack(#[from] PackError),
    /// A file could not be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The directory is not a model directory.
    #[error("'{}' is not a model directory: it has no {file}", path.display())]
    NoModel {
        /// The directory.
        path: PathBuf,
        /// The file that is missing.
        file: &'static str,
    },
    /// `config.json` cannot be parsed.
    #[error("'{}' is not the configuration of a language model: {source}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The parser's error, with line and column.
        source: serde_json::Error,
    },
    /// `config.json` was written by a newer program.
    #[error("'{}' has format version {found}, and this program supports up to {supported}: update it", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest supported version.
        supported: u32,
    },
    /// `model.safetensors` is too small for the model that `config.json` describes.
    #[error("'{}' is too small for its config.json: the weights need {expected} bytes, the file has {found}; is it truncated, or from another model?", path.display())]
    TooSmall {
        /// The file.
        path: PathBuf,
        /// Bytes that the largest matrices of the configuration need.
        expected: u64,
        /// Bytes in the file.
        found: u64,
    },
    /// `model.safetensors` cannot be read, or disagrees with `config.json`.
    #[error(transparent)]
    Weights(#[from] ImportError),
    /// The configuration ties the output to the embedding, but their weights differ.
    #[error("config.json ties the output to the embedding, but their weights differ in '{}': set tied to false", path.display())]
    NotTied {
        /// The weights.
        path: PathBuf,
    },
    /// The tokenizer's token ids differ from a vocabulary in the weights file.
    #[error("'{}' is of another model: its token '{}' has the id {here}, and in the vocabulary '{name}' of the weights {there}", path.display(), token.escape_debug())]
    TokenOrder {
        /// The tokenizer.
        path: PathBuf,
        /// The first such token.
        token: String,
        /// Its id in the tokenizer.
        here: u32,
        /// The vocabulary's name in the weights file.
        name: String,
        /// Its id there.
        there: usize,
    },
    /// Tokenizer and model have different vocabularies.
    #[error("'{}' has {tokenizer} tokens and config.json says {config}: the files are not from one model", path.display())]
    Vocabulary {
        /// The tokenizer's file.
        path: PathBuf,
        /// The tokenizer's vocabulary.
        tokenizer: usize,
        /// The model's vocabulary.
        config: usize,
    },
}

fn saved(checkpoint: &Option<PathBuf>) -> String {
    checkpoint.as_ref().map_or(String::new(), |path| format!(", saved in '{}'", path.display()))
}

fn last_good(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("; the last good checkpoint is '{}'", path.display()),
        None => "; there is no checkpoint yet".into(),
    }
}
