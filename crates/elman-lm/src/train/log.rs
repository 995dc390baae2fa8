use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use elman_text::TextTokenizer;
use serde::Serialize;
use serde_json::Value;

use super::{Epoch, Event, Interval, Observer, Resumed, Start};
use crate::{
    error::LmError,
    files,
    generate::{GenerateOptions, generate},
    model::LanguageModel,
};

/// Writes training to a file as JSON lines: one object per line, whose `event` is `start`, `resume`, `interval`,
/// `epoch` or `sample`.
///
/// A number that is not finite (a perplexity beyond 10³⁰⁸) is `null`, since JSON has no other name for it. A run that
/// goes on from a checkpoint goes on in its file, without the lines of the steps that are done again.
pub struct LogFile<'a> {
    path: PathBuf,
    file: Option<File>,
    about: Value,
    tokenizer: Option<&'a TextTokenizer>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Start {
        #[serde(flatten)]
        start: &'a Start,
        #[serde(skip_serializing_if = "Value::is_null")]
        about: &'a Value,
    },
    Resume(&'a Resumed),
    Interval(&'a Interval),
    Epoch(&'a Epoch),
    Sample {
        epoch: usize,
        step: usize,
        text: String,
    },
}

/// Length of a sample, in characters.
const SAMPLE: usize = 300;

impl<'a> LogFile<'a> {
    /// A log in the file at `path`, which begins when training does, in place of one that is there.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().into(), file: None, about: Value::Null, tokenizer: None }
    }

    /// Adds to the first line, as `about`, what training does not know: where the text is from, the machine.
    #[must_use]
    pub fn with_about(self, about: Value) -> Self {
        Self { about, ..self }
    }

    /// After each epoch the model writes a short text into the log, with the same draws each time.
    #[must_use]
    pub fn with_samples(self, tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer: Some(tokenizer), ..self }
    }

    fn begin(&mut self, start: &Start) -> Result<(), LmError> {
        let mut kept = match &start.resumed {
            Some(resumed) => self.kept(resumed.step)?,
            None => String::new(),
        };
        let about = &self.about;
        if kept.is_empty() {
            kept += &line(&Line::Start { start, about });
        }
        if let Some(resumed) = &start.resumed {
            kept += &line(&Line::Resume(resumed));
        }
        files::replace(&self.path, kept.as_bytes())?;
        let file = File::options().append(true).open(&self.path).map_err(|source| self.failed(source))?;
        self.file = Some(file);
        Ok(())
    }

    /// The lines of a log up to a step. The last line of a process that was killed may be cut off.
    fn kept(&self, step: usize) -> Result<String, LmError> {
        let text = match elman_files::read(&self.path, u64::MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(String::new()),
            text => text.map_err(|source| LmError::Read { path: self.path.clone(), source })?,
        };
        let keep = |line: &&str| {
            let value: Option<Value> = serde_json::from_str(line).ok();
            value.is_some_and(|line| line["step"].as_u64().is_none_or(|at| at <= step as u64))
        };
        let text = String::from_utf8_lossy(&text);
        Ok(text.lines().filter(keep).flat_map(|line| [line, "\n"]).collect())
    }

    fn sample(&self, model: &LanguageModel, epoch: &Epoch) -> Result<Option<String>, LmError> {
        let Some(tokenizer) = self.tokenizer else { return Ok(None) };
        let options = GenerateOptions { max_tokens: SAMPLE, temperature: 0.8, ..GenerateOptions::default() };
        let mut text = String::new();
        for piece in generate(model, tokenizer, "", &options)? {
            text += &piece?.text;
            if text.chars().count() >= SAMPLE {
                break;
            }
        }
        let text = text.trim().chars().take(SAMPLE).collect();
        Ok(Some(line(&Line::Sample { epoch: epoch.epoch, step: epoch.step, text })))
    }

    fn write(&mut self, text: &str) -> Result<(), LmError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(text.as_bytes()).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> LmError {
        LmError::Write { path: self.path.clone(), source }
    }
}

fn line(line: &Line<'_>) -> String {
    serde_json::to_string(line).expect("numbers and names are valid JSON") + "\n"
}

impl Observer for LogFile<'_> {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Start(start) => self.begin(start),
            Event::Interval(interval) => self.write(&line(&Line::Interval(interval))),
            Event::Epoch(epoch, model) => {
                let sample = self.sample(model, epoch)?.unwrap_or_default();
                self.write(&(line(&Line::Epoch(epoch)) + &sample))
            }
            _ => Ok(()),
        }
    }
}
