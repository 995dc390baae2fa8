use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Epoch, Interval, Resumed, Start};
use crate::error::LmError;

/// A training run, read from its [`LogFile`](super::LogFile).
#[derive(Clone, Debug)]
pub struct RunLog {
    /// The settings and sizes known before the first step.
    pub start: Start,
    /// The value of [`LogFile::with_about`](super::LogFile::with_about), or null.
    pub about: Value,
    /// The points at which the run resumed after interruptions.
    pub resumed: Vec<Resumed>,
    /// Every logged interval.
    pub intervals: Vec<Interval>,
    /// Every epoch.
    pub epochs: Vec<Epoch>,
    /// Samples of the model after the epochs.
    pub samples: Vec<Sample>,
}

/// A text that the model generated after an epoch.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Sample {
    /// The epoch, from 1.
    pub epoch: usize,
    /// The step, from 1 over all epochs.
    pub step: usize,
    /// The text.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line {
    Start {
        #[serde(flatten)]
        start: Box<Start>,
        #[serde(default)]
        about: Value,
    },
    Resume(Resumed),
    Interval(Interval),
    Epoch(Box<Epoch>),
    Sample(Sample),
}

impl RunLog {
    /// Reads a log. Skips a last line that a killed process left incomplete.
    ///
    /// # Errors
    /// [`LmError::Read`], [`LmError::Log`] with the first invalid line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LmError> {
        let path = path.as_ref();
        let bytes = elman_files::read(path, u64::MAX).map_err(|source| LmError::Read { path: path.into(), source })?;
        let text = String::from_utf8_lossy(&bytes);
        let bad = |line: usize, reason: String| LmError::Log { path: path.into(), line, reason };
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let mut lines = (1..).zip(whole);
        let parse = |(number, line)| serde_json::from_str(line).map_err(|error| bad(number, error.to_string()));
        let first = lines.next().map(parse).transpose()?;
        let Some(Line::Start { start, about }) = first else { return Err(bad(1, "expected a start event".into())) };
        let (resumed, intervals) = (Vec::new(), Vec::new());
        let mut log = Self { start: *start, about, resumed, intervals, epochs: Vec::new(), samples: Vec::new() };
        for (number, line) in lines {
            match parse((number, line))? {
                Line::Start { .. } => return Err(bad(number, "a second start event".into())),
                Line::Resume(resumed) => log.resumed.push(resumed),
                Line::Interval(interval) => log.intervals.push(interval),
                Line::Epoch(epoch) => log.epochs.push(*epoch),
                Line::Sample(sample) => log.samples.push(sample),
            }
        }
        Ok(log)
    }
}
