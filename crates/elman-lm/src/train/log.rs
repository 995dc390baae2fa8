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

/// Logs training to a file as JSON lines: one object per line, whose `event` is `start`, `resume`, `interval`, `epoch`
/// or `sample`.
///
/// JSON has no infinity, so a number that is not finite (a perplexity above 10³⁰⁸) is written as `null`. A resumed run
/// continues its file, without the lines of steps that are repeated.
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
const SAMPLE_LEN: usize = 300;

impl<'a> LogFile<'a> {
    /// A log in the file at `path`. It is created when training starts and replaces an existing file.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().into(), file: None, about: Value::Null, tokenizer: None }
    }

    /// Adds `about` to the first line: what training does not know, such as the source of the text and the machine.
    #[must_use]
    pub fn with_about(self, about: Value) -> Self {
        Self { about, ..self }
    }

    /// Logs a short sample of the model after each epoch, always with the same seed.
    #[must_use]
    pub fn with_samples(self, tokenizer: &'a TextTokenizer) -> Self {
        Self { tokenizer: Some(tokenizer), ..self }
    }

    fn begin(&mut self, start: &Start) -> Result<(), LmError> {
        let mut lines = match &start.resumed {
            Some(resumed) => self.lines_up_to(resumed.step)?,
            None => String::new(),
        };
        let about = &self.about;
        if lines.is_empty() {
            lines += &line(&Line::Start { start, about });
        }
        if let Some(resumed) = &start.resumed {
            lines += &line(&Line::Resume(resumed));
        }
        files::replace(&self.path, lines.as_bytes())?;
        let file = File::options().append(true).open(&self.path).map_err(|source| self.failed(source))?;
        self.file = Some(file);
        Ok(())
    }

    /// The lines of a log up to a step. Drops a last line that a killed process left incomplete.
    fn lines_up_to(&self, step: usize) -> Result<String, LmError> {
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
        let options = GenerateOptions { max_tokens: SAMPLE_LEN, temperature: 0.8, ..GenerateOptions::default() };
        let mut text = String::new();
        for piece in generate(model, tokenizer, "", &options)? {
            text += &piece?.text;
            if text.chars().count() >= SAMPLE_LEN {
                break;
            }
        }
        let text = text.trim().chars().take(SAMPLE_LEN).collect();
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
