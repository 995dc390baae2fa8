use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use serde::Serialize;

use super::{Epoch, Event, Interval, Observer, Start};
use crate::error::Error;

/// Writes training to a file as JSON lines: one object per line, whose `event` is `start`, `interval` or `epoch`.
///
/// A number that is not finite (a perplexity beyond 10³⁰⁸) is `null`, since JSON has no other name for it.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: File,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Start(&'a Start),
    Interval(&'a Interval),
    Epoch(&'a Epoch),
}

impl LogFile {
    /// Begins a new file, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn create(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = File::create(path).map_err(|source| Error::Write { path: path.into(), source })?;
        Ok(Self { path: path.into(), file })
    }
}

impl Observer for LogFile {
    fn observe(&mut self, event: Event<'_>) -> Result<(), Error> {
        let line = match event {
            Event::Start(start) => Line::Start(start),
            Event::Interval(interval) => Line::Interval(interval),
            Event::Epoch(epoch) => Line::Epoch(epoch),
            _ => return Ok(()),
        };
        let mut text = serde_json::to_vec(&line).expect("numbers and names are valid JSON");
        text.push(b'\n');
        self.file.write_all(&text).map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}
