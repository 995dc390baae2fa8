//! Rows whose columns stand side by side: by tabs, by commas, or one alone.

use std::{
    io::{self, BufRead},
    path::Path,
    sync::Arc,
};

use csv::ByteRecord;

use crate::{
    error::TextError,
    table::{Columns, Place, Source, Values, lines::Lines, row::shortened},
};

/// How a file is cut into fields.
pub(crate) enum Records {
    Tabs(Lines),
    Commas(Box<csv::Reader<Box<dyn BufRead + Send>>>),
    /// A line is one field, whatever it holds, and no header.
    Whole(Lines),
}

impl Records {
    pub(crate) fn commas(text: Box<dyn BufRead + Send>) -> Self {
        // where \r\n ends records the library counts lines one too few
        let ends = csv::Terminator::Any(b'\n');
        let reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).terminator(ends).from_reader(text);
        Self::Commas(Box::new(reader))
    }

    /// The fields of the next row, and the line where it begins.
    fn next(&mut self) -> io::Result<Option<(u64, ByteRecord)>> {
        match self {
            Self::Tabs(lines) => {
                Ok(lines.next()?.map(|(line, bytes)| (line, bytes.split(|byte| *byte == b'\t').collect())))
            }
            Self::Whole(lines) => Ok(lines.next()?.map(|(line, bytes)| (line, ByteRecord::from(vec![bytes])))),
            Self::Commas(reader) => loop {
                let mut record = ByteRecord::new();
                if !reader.read_byte_record(&mut record)? {
                    return Ok(None);
                }
                let record = without_return(record);
                if record.len() > 1 || record.get(0).is_some_and(|field| !field.is_empty()) {
                    return Ok(Some((record.position().map_or(0, csv::Position::line), record)));
                }
            },
        }
    }
}

/// A record without the `\r` of the line's end.
fn without_return(record: ByteRecord) -> ByteRecord {
    if !record.iter().next_back().is_some_and(|last| last.ends_with(b"\r")) {
        return record;
    }
    let last = record.len() - 1;
    let cut = |(index, field): (usize, &[u8])| field[..field.len() - usize::from(index == last)].to_vec();
    let mut without: ByteRecord = record.iter().enumerate().map(cut).collect();
    without.set_position(record.position().cloned());
    without
}

pub(crate) struct Separated {
    path: Arc<Path>,
    columns: Arc<Columns>,
    records: Records,
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
    pub(crate) fn new(path: Arc<Path>, columns: Arc<Columns>, records: Records) -> Self {
        let layout = matches!(records, Records::Whole(_)).then_some(Layout::Positions);
        Self { path, columns, records, layout }
    }

    /// What the first row says about all of them.
    fn layout(&self, first: &ByteRecord) -> Result<Layout, TextError> {
        let fields: Vec<_> = first.iter().map(|field| String::from_utf8_lossy(field).trim().to_owned()).collect();
        let index = |name: &String| fields.iter().position(|field| field == name);
        let indices: Vec<Option<usize>> = self.columns.names().iter().map(index).collect();
        if indices.iter().all(Option::is_none) {
            return Ok(Layout::Positions);
        }
        match indices[..self.columns.required()].iter().position(Option::is_none) {
            None => Ok(Layout::Named { fields: fields.len(), indices }),
            Some(missing) => Err(TextError::NoColumn {
                path: self.path.to_path_buf(),
                place: None,
                column: self.columns.names()[missing].clone(),
                found: fields,
            }),
        }
    }

    fn values(&self, layout: &Layout, place: Place, record: &ByteRecord) -> Result<Vec<Option<String>>, TextError> {
        let count = record.len();
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
            let Some(field) = index(column).and_then(|index| record.get(index)) else { return Ok(None) };
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

    fn record(&mut self) -> Result<Option<(u64, ByteRecord)>, TextError> {
        self.records.next().map_err(|source| TextError::Read { path: self.path.to_path_buf(), source })
    }
}

impl Source for Separated {
    fn next(&mut self) -> Result<Option<Values>, TextError> {
        let Some((mut line, mut record)) = self.record()? else { return Ok(None) };
        if self.layout.is_none() {
            let layout = self.layout(&record)?;
            let is_header = matches!(layout, Layout::Named { .. });
            self.layout = Some(layout);
            if is_header {
                let Some(next) = self.record()? else { return Ok(None) };
                (line, record) = next;
            }
        }
        let layout = self.layout.as_ref().unwrap_or(&Layout::Positions);
        let place = Place::Line(line);
        Ok(Some((place, self.values(layout, place, &record)?)))
    }
}
