//! Tables with separated columns, or a single column.

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

/// Bytes from which the separator is guessed.
const SAMPLE_BYTES: u64 = 1 << 16;

/// How rows are split into fields.
pub(super) enum Records {
    Tabs(Lines),
    Quoted(Quoted),
    /// Each line is a single field; there is no header.
    Whole(Lines),
}

impl Records {
    /// Records of a `.csv` file, with a guessed separator.
    pub(super) fn csv(path: &Arc<Path>, text: Text, columns: &Columns) -> Result<Self, TextError> {
        let (mut sample, is_whole, text) = read_sample(text).map_err(|error| TextError::reading(path, error))?;
        let (separator, line) = match Separator::declared(&sample) {
            Some((separator, length)) => {
                sample.drain(..length);
                (separator, 2)
            }
            None => (Separator::guess(&Sample { bytes: &sample, is_whole }, columns), 1),
        };
        let reader = Box::new(Cursor::new(sample).chain(text.reader));
        Ok(Self::Quoted(Quoted::new(path.clone(), reader, separator, line)))
    }

    /// Records of a `.tsv` file: tabs without quotes, unless the first row has no tab but column names with another
    /// separator.
    pub(super) fn tsv(path: &Arc<Path>, text: Text, columns: &Columns) -> Result<Self, TextError> {
        let (sample, is_whole, text) = read_sample(text).map_err(|error| TextError::reading(path, error))?;
        let named = Separator::from_header(&Sample { bytes: &sample, is_whole }, columns);
        let has_tab = sample.iter().take_while(|byte| **byte != b'\n').any(|byte| *byte == b'\t');
        let text = Text { reader: Box::new(Cursor::new(sample).chain(text.reader)), ..text };
        Ok(match named {
            Some(separator) if !has_tab => Self::Quoted(Quoted::new(path.clone(), text.reader, separator, 1)),
            _ => Self::Tabs(Lines::from_text(path, text)),
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
        let line = lines.next_matching(|line| !line.is_empty()).map_err(|error| TextError::reading(path, error))?;
        let Some((number, line)) = line else { return Ok(false) };
        record.clear(number);
        for field in line.split(|byte| is_tabs && *byte == b'\t') {
            record.extend(field);
            record.end_field();
        }
        Ok(true)
    }
}

/// Reads a sample; returns it, whether it is the whole text, and the rest.
fn read_sample(mut text: Text) -> io::Result<(Vec<u8>, bool, Text)> {
    let mut sample = Vec::new();
    text.reader.by_ref().take(SAMPLE_BYTES).read_to_end(&mut sample)?;
    let is_whole = (sample.len() as u64) < SAMPLE_BYTES;
    Ok((sample, is_whole, text))
}

pub(super) struct Separated {
    path: Arc<Path>,
    columns: Arc<Columns>,
    records: Records,
    record: Record,
    layout: Option<Layout>,
}

/// Maps columns to fields.
enum Layout {
    /// By the header, which has `fields` fields.
    Named { fields: usize, indices: Vec<Option<usize>> },
    /// By position.
    Positions,
}

impl Separated {
    pub(super) fn new(path: Arc<Path>, columns: Arc<Columns>, records: Records) -> Self {
        let layout = matches!(records, Records::Whole(_)).then_some(Layout::Positions);
        Self { path, columns, records, record: Record::default(), layout }
    }

    /// Determines the layout from the first row.
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
        let is_duplicate = |name: &&String| fields.iter().filter(|field| field == name).count() > 1;
        if let Some(name) = names.iter().find(is_duplicate) {
            return Err(TextError::Malformed {
                path: self.path.to_path_buf(),
                place: None,
                expected: "a valid table",
                reason: format!("duplicate column '{name}'"),
            });
        }
        Ok(Layout::Named { fields: fields.len(), indices })
    }

    fn values(&self, layout: &Layout) -> Result<Vec<Option<String>>, TextError> {
        let (count, place) = (self.record.len(), RowLocation::Line(self.record.line));
        let (names, required) = (self.columns.names(), self.columns.required());
        let wrong_count = |expected| TextError::Fields { path: self.path.to_path_buf(), place, expected, found: count };
        match layout {
            Layout::Named { fields, .. } if count != *fields => {
                return Err(wrong_count(format!("{fields}, as in the header")));
            }
            Layout::Positions if !(required..=names.len()).contains(&count) => {
                return Err(wrong_count(self.columns.expected()));
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
