//! Training by truncated backpropagation through time, with its observers: progress, log, checkpoints.

mod checkpoint;
mod clip;
mod config;
mod cpu_values;
mod event;
mod log;
mod meter;
mod optimizer;
mod progress;
pub mod record;
mod report;
mod run_log;
mod save;
mod schedule;
mod step;
mod training;

use elman_text::Tokens;

use crate::{error::LmError, model::LanguageModel};

pub use checkpoint::{Changed, Checkpoints, Every, Resumed};
pub use clip::{clip_by_global_norm, is_finite};
pub use config::TrainConfig;
pub use event::{Epoch, Event, History, Interval, Observer, Start};
pub use log::LogFile;
pub use optimizer::Optimizer;
pub use progress::Progress;
pub use report::{Report, curves, report};
pub use run_log::{RunLog, Sample};
pub use save::SaveBest;
pub use schedule::Schedule;
pub use training::{Trained, Training};

/// Trains `model` on `text`: [`Training`] without checkpoints.
///
/// # Errors
/// Those of [`Training::run`].
pub fn train(
    model: LanguageModel,
    text: &Tokens,
    validation: Option<&Tokens>,
    config: &TrainConfig,
    observer: &mut dyn Observer,
) -> Result<Trained, LmError> {
    let mut training = Training::new(model, text, config);
    if let Some(validation) = validation {
        training = training.with_validation(validation);
    }
    training.run(observer)
}
