//! Rows with a separator and quotes, as in RFC 4180. The `csv` crate accepts an unclosed quote, and cannot report where
//! it opened.

use std::{io::BufRead, path::Path, sync::Arc};

use super::{RowLocation, record::Record, separator::Separator};
use crate::{error::TextError, input::Reader};

/// Maximum bytes of a quoted field: a longer one has lost its closing quote.
const MAX_FIELD_BYTES: usize = 1 << 26;
/// Lines of a quoted field that look like rows: this many indicate a misplaced quote if they also begin with numbers,
/// and this many separators do in any case.
const MIN_LINES: usize = 3;
const MIN_SEPARATORS: usize = 20;

pub(super) struct Quoted {
    path: Arc<Path>,
    reader: Reader,
    separator: Separator,
    /// The current line, from 1.
    line: u64,
    /// Fields per row, if known.
    fields: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a field.
    Begin,
    Plain,
    /// Within quotes that opened on this line.
    Open(u64),
    /// After a quote within quotes: the closing one, unless another quote follows.
    Closed(u64),
    /// After a closing quote and a `\r`.
    Return(u64),
}

impl Quoted {
    pub(super) fn new(path: Arc<Path>, reader: Reader, separator: Separator, line: u64) -> Self {
        Self { path, reader, separator, line, fields: None }
    }

    pub(super) fn separator(&self) -> Separator {
        self.separator
    }

    /// Sets the number of fields per row, which is used to detect rows within a quoted field.
    pub(super) fn expect(&mut self, fields: usize) {
        self.fields = Some(fields);
    }

    /// Reads the next row that is not empty; false at the end.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, TextError> {
        loop {
            record.clear(self.line);
            if !self.read_any(record)? {
                return Ok(false);
            }
            if !record.is_empty() {
                return Ok(true);
            }
        }
    }

    fn read_any(&mut self, record: &mut Record) -> Result<bool, TextError> {
        let separator = self.separator.byte();
        let mut state = State::Begin;
        loop {
            let buffer = self.reader.fill_buf().map_err(|error| TextError::reading(&self.path, error))?;
            if buffer.is_empty() {
                return self.end(state, record);
            }
            let (mut at, mut is_whole) = (0, false);
            while let Some(&byte) = buffer.get(at).filter(|_| !is_whole) {
                match state {
                    State::Begin if byte == b'"' => {
                        state = State::Open(self.line);
                        at += 1;
                    }
                    State::Begin | State::Plain => {
                        let rest = &buffer[at..];
                        let run = rest.iter().position(|b| *b == separator || *b == b'\n').unwrap_or(rest.len());
                        record.extend(&rest[..run]);
                        at += run;
                        state = State::Plain;
                        if let Some(&end) = buffer.get(at) {
                            at += 1;
                            is_whole = end == b'\n';
                            if is_whole {
                                record.strip(b'\r');
                            }
                            record.end_field();
                            state = State::Begin;
                        }
                    }
                    State::Open(opened) => {
                        let rest = &buffer[at..];
                        let run = rest.iter().position(|b| *b == b'"').unwrap_or(rest.len());
                        record.extend(&rest[..run]);
                        self.line += rest[..run].iter().filter(|b| **b == b'\n').count() as u64;
                        at += run;
                        if at < buffer.len() {
                            at += 1;
                            state = State::Closed(opened);
                        } else if record.open_field().len() > MAX_FIELD_BYTES {
                            let reason = format!("is never closed within {} MiB", MAX_FIELD_BYTES >> 20);
                            return Err(malformed(&self.path, opened, reason));
                        }
                    }
                    State::Closed(opened) if byte == b'"' => {
                        record.extend(b"\"");
                        state = State::Open(opened);
                        at += 1;
                    }
                    State::Closed(opened) | State::Return(opened) => {
                        let ends = byte == b'\n' || (byte == separator && state == State::Closed(opened));
                        at += 1;
                        if ends {
                            if has_rows(record, self.separator, self.fields) {
                                return Err(closed_late(&self.path, opened, self.line));
                            }
                            is_whole = byte == b'\n';
                            record.end_field();
                            state = State::Begin;
                        } else if byte == b'\r' && state == State::Closed(opened) {
                            state = State::Return(opened);
                        } else {
                            let reason = format!(
                                "closes in line {} with text after it (within quotes, a quote is doubled)",
                                self.line
                            );
                            return Err(malformed(&self.path, opened, reason));
                        }
                    }
                }
            }
            self.line += u64::from(is_whole);
            self.reader.consume(at);
            if is_whole {
                return Ok(true);
            }
        }
    }

    /// Handles the end of the text; false if there is no record.
    fn end(&self, state: State, record: &mut Record) -> Result<bool, TextError> {
        match state {
            State::Open(opened) => return Err(malformed(&self.path, opened, "is never closed".into())),
            State::Begin if record.get(0).is_none() => return Ok(false),
            State::Closed(opened) | State::Return(opened) if has_rows(record, self.separator, self.fields) => {
                return Err(closed_late(&self.path, opened, self.line));
            }
            State::Plain => record.strip(b'\r'),
            _ => {}
        }
        record.end_field();
        Ok(true)
    }
}

fn closed_late(path: &Path, opened: u64, closed: u64) -> TextError {
    malformed(path, opened, format!("closes only in line {closed}, and the lines between are rows"))
}

fn malformed(path: &Path, opened: u64, what: String) -> TextError {
    TextError::Malformed {
        path: path.into(),
        place: Some(RowLocation::Line(opened)),
        expected: "a row with quotes",
        reason: format!("the quote that opens there {what}"),
    }
}

/// Whether the lines within the open quoted field look like rows: a stray quote opened the field, and a later one
/// closed it by chance.
fn has_rows(record: &Record, separator: Separator, fields: Option<usize>) -> bool {
    let fields = fields.unwrap_or(0);
    let mut lines: Vec<&[u8]> = record.open_field().split(|byte| *byte == b'\n').collect();
    if fields < 2 || lines.len() < MIN_LINES + 2 {
        return false;
    }
    // the first and the last are partial lines
    lines.pop();
    lines.remove(0);
    let first = |line: &&[u8]| line.split(|byte| *byte == separator.byte()).next().is_some_and(is_number);
    lines.iter().all(|line| separator.count(line) == fields)
        && (lines.len() * (fields - 1) >= MIN_SEPARATORS
            || record.get(0).is_some_and(is_number) && lines.iter().all(first))
}

fn is_number(field: &[u8]) -> bool {
    !field.is_empty() && field.iter().all(u8::is_ascii_digit)
}
