//! Rows whose columns stand side by side, or one alone.

use std::{
    io::{self, Cursor, Read},
    path::Path,
    sync::Arc,
};

use super::{
    Columns, RowLocation, Source, Values,
    quoted::Quoted,
    record::Record,
    row::shortened,
    separator::{Sample, Separator},
};
use crate::{error::TextError, input::Text, lines::Lines};

/// Bytes from which a separator is guessed.
const SAMPLE: u64 = 1 << 16;

/// How a file is cut into fields.
pub(super) enum Records {
    Tabs(Lines),
    Quoted(Quoted),
    /// A line is one field, whatever it holds, and no header.
    Whole(Lines),
}

impl Records {
    /// Of a `.csv` file: the separator is guessed.
    pub(super) fn csv(path: &Arc<Path>, text: Text, columns: &Columns) -> Result<Self, TextError> {
        let (mut sample, is_whole, text) = sampled(text).map_err(|error| TextError::reading(path, error))?;
        let (separator, line) = match Separator::named(&sample) {
            Some((separator, length)) => {
                sample.drain(..length);
                (separator, 2)
            }
            None => (Separator::guess(&Sample { bytes: &sample, is_whole }, columns), 1),
        };
        let reader = Box::new(Cursor::new(sample).chain(text.reader));
        Ok(Self::Quoted(Quoted::new(path.clone(), reader, separator, line)))
    }

    /// Of a `.tsv` file: tabs without quotes, but where the first row has none, and names columns with another separator.
    pub(super) fn tsv(path: &Arc<Path>, text: Text, columns: &Columns) -> Result<Self, TextError> {
        let (sample, is_whole, text) = sampled(text).map_err(|error| TextError::reading(path, error))?;
        let named = Separator::named_by(&Sample { bytes: &sample, is_whole }, columns);
        let has_tab = sample.iter().take_while(|byte| **byte != b'\n').any(|byte| *byte == b'\t');
        let text = Text { reader: Box::new(Cursor::new(sample).chain(text.reader)), ..text };
        Ok(match named {
            Some(separator) if !has_tab => Self::Quoted(Quoted::new(path.clone(), text.reader, separator, 1)),
            _ => Self::Tabs(Lines::of(path, text)),
        })
    }

    fn separator(&self) -> Option<Separator> {
        match self {
            Self::Tabs(_) => Some(Separator::Tab),
            Self::Quoted(quoted) => Some(quoted.separator()),
            Self::Whole(_) => None,
        }
    }

    /// Reads the next row that is not empty; false at the end.
    fn read(&mut self, path: &Path, record: &mut Record) -> Result<bool, TextError> {
        let is_tabs = matches!(self, Self::Tabs(_));
        let lines = match self {
            Self::Quoted(quoted) => return quoted.read(record),
            Self::Tabs(lines) | Self::Whole(lines) => lines,
        };
        let line = lines.next_that(|line| !line.is_empty()).map_err(|error| TextError::reading(path, error))?;
        let Some((number, line)) = line else { return Ok(false) };
        record.clear(number);
        for field in line.split(|byte| is_tabs && *byte == b'\t') {
            record.extend(field);
            record.end_field();
        }
        Ok(true)
    }
}

/// The beginning of a text, whether that is all, and the rest.
fn sampled(mut text: Text) -> io::Result<(Vec<u8>, bool, Text)> {
    let mut sample = Vec::new();
    text.reader.by_ref().take(SAMPLE).read_to_end(&mut sample)?;
    let is_whole = (sample.len() as u64) < SAMPLE;
    Ok((sample, is_whole, text))
}

pub(super) struct Separated {
    path: Arc<Path>,
    columns: Arc<Columns>,
    records: Records,
    record: Record,
    layout: Option<Layout>,
}

/// Which field each column is.
enum Layout {
    /// As the header says, which has so many fields.
    Named { fields: usize, indices: Vec<Option<usize>> },
    /// Side by side from the first.
    Positions,
}

impl Separated {
    pub(super) fn new(path: Arc<Path>, columns: Arc<Columns>, records: Records) -> Self {
        let layout = matches!(records, Records::Whole(_)).then_some(Layout::Positions);
        Self { path, columns, records, record: Record::default(), layout }
    }

    /// What the first row says about all of them.
    fn layout(&self) -> Result<Layout, TextError> {
        let fields: Vec<_> = self.record.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect();
        let names = self.columns.names();
        let index = |name: &String| fields.iter().position(|field| field == name);
        let indices: Vec<Option<usize>> = names.iter().map(index).collect();
        let needed = self.columns.needed();
        let (is_header, is_wider) = (indices.iter().any(Option::is_some), fields.len() > names.len());
        if !is_header && !is_wider && !self.columns.is_by_name() {
            return Ok(Layout::Positions);
        }
        if let Some(missing) = indices[..needed].iter().position(Option::is_none) {
            let separator = self.records.separator().filter(|_| fields.len() > 1 || self.columns.is_by_name());
            return Err(TextError::NoColumn {
                path: self.path.to_path_buf(),
                place: None,
                column: names[missing].clone(),
                found: fields,
                separator: separator.map(Separator::name),
            });
        }
        let twice = |name: &&String| fields.iter().filter(|field| field == name).count() > 1;
        if let Some(name) = names.iter().find(twice) {
            return Err(TextError::Malformed {
                path: self.path.to_path_buf(),
                place: None,
                expected: "a table that can be read",
                reason: format!("it has two columns '{name}'"),
            });
        }
        Ok(Layout::Named { fields: fields.len(), indices })
    }

    fn values(&self, layout: &Layout) -> Result<Vec<Option<String>>, TextError> {
        let (count, place) = (self.record.len(), RowLocation::Line(self.record.line));
        let (names, required) = (self.columns.names(), self.columns.required());
        let wrong = |expected| TextError::Fields { path: self.path.to_path_buf(), place, expected, found: count };
        match layout {
            Layout::Named { fields, .. } if count != *fields => {
                return Err(wrong(format!("{fields}, as in the header")));
            }
            Layout::Positions if !(required..=names.len()).contains(&count) => {
                return Err(wrong(self.columns.expected()));
            }
            _ => {}
        }
        let index = |column: usize| match layout {
            Layout::Named { indices, .. } => indices[column],
            Layout::Positions => Some(column),
        };
        let value = |column: usize| {
            let Some(field) = index(column).and_then(|index| self.record.get(index)) else { return Ok(None) };
            let text = String::from_utf8(field.to_vec()).map_err(|error| TextError::Value {
                path: self.path.to_path_buf(),
                place,
                column: names[column].clone(),
                expected: "UTF-8 text",
                found: shortened(&String::from_utf8_lossy(error.as_bytes())),
            });
            text.map(Some)
        };
        (0..names.len()).map(value).collect()
    }
}

impl Source for Separated {
    fn next(&mut self) -> Result<Option<Values>, TextError> {
        if !self.records.read(&self.path, &mut self.record)? {
            return Ok(None);
        }
        if self.layout.is_none() {
            let layout = self.layout()?;
            if let Records::Quoted(quoted) = &mut self.records {
                quoted.expect(self.record.len());
            }
            let is_header = matches!(layout, Layout::Named { .. });
            self.layout = Some(layout);
            if is_header && !self.records.read(&self.path, &mut self.record)? {
                return Ok(None);
            }
        }
        let layout = self.layout.as_ref().unwrap_or(&Layout::Positions);
        Ok(Some((RowLocation::Line(self.record.line), self.values(layout)?)))
    }
}
