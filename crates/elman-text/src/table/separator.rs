use std::{io::Cursor, path::Path, sync::Arc};

use super::{Columns, quoted::Quoted, record::Record};

/// What stands between the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Bar,
}

/// Rows that are looked at to guess a separator.
const ROWS: usize = 20;

/// The beginning of a text.
pub(super) struct Sample<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether it is all.
    pub(super) is_whole: bool,
}

impl Separator {
    const ALL: [Self; 4] = [Self::Comma, Self::Semicolon, Self::Tab, Self::Bar];

    pub(super) fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Bar => b'|',
        }
    }

    /// What it is called, for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
            Self::Tab => "tabs",
            Self::Bar => "bars",
        }
    }

    /// How many fields a line has, of which the quotes are in order.
    pub(super) fn count(self, line: &[u8]) -> usize {
        let mut is_open = false;
        1 + line
            .iter()
            .filter(|byte| {
                is_open ^= **byte == b'"';
                !is_open && **byte == self.byte()
            })
            .count()
    }

    /// The separator that a first line names, as spreadsheet programs write it (`sep=;`), and the length of that line.
    pub(super) fn named(text: &[u8]) -> Option<(Self, usize)> {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let line = text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]);
        let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] = line else { return None };
        Self::ALL.into_iter().find(|separator| separator.byte() == *byte).map(|separator| (separator, end + 1))
    }

    /// The separator of a table: the one by which the first row has most of the columns' names, else the one that cuts all
    /// rows into the same number of fields, and into most. One row alone tells that where it must be a header.
    pub(super) fn guess(sample: &Sample, columns: &Columns) -> Self {
        let rows = |separator| Rows::new(sample, separator, columns);
        Self::named_by(sample, columns).unwrap_or_else(|| {
            let least = if columns.is_by_name() { 1 } else { 2 };
            let even = Self::ALL.into_iter().rev().filter(|separator| rows(*separator).is_even(least));
            // of equal ones the last: they come in reversed order
            even.max_by_key(|separator| rows(*separator).fields).unwrap_or(Self::Comma)
        })
    }

    /// The separator by which the first row has most of the columns' names, if it has any and others.
    pub(super) fn named_by(sample: &Sample, columns: &Columns) -> Option<Self> {
        let named = |separator: &Self| Rows::new(sample, *separator, columns).named;
        let best = Self::ALL.into_iter().rev().max_by_key(named)?;
        (named(&best) > 0).then_some(best)
    }
}

/// What the first rows are like with a separator.
struct Rows {
    count: usize,
    /// Fields of each row; 0 where they differ.
    fields: usize,
    /// Columns that the first row names, if it has several fields.
    named: usize,
}

impl Rows {
    fn new(sample: &Sample, separator: Separator, columns: &Columns) -> Self {
        let path: Arc<Path> = Path::new("").into();
        let text = Box::new(Cursor::new(sample.bytes.to_vec()));
        let mut reader = Quoted::new(path, text, separator, 1);
        let (mut record, mut counts, mut named) = (Record::default(), Vec::new(), 0);
        // what is malformed is told when it is read
        while counts.len() < ROWS && reader.read(&mut record).is_ok_and(|is_there| is_there) {
            if counts.is_empty() {
                let is_there = |name: &&String| record.iter().any(|field| field.trim_ascii() == name.as_bytes());
                named = if record.len() < 2 { 0 } else { columns.names().iter().filter(is_there).count() };
            }
            counts.push(record.len());
        }
        if !sample.is_whole && counts.len() < ROWS {
            counts.pop(); // the sample ends within it
        }
        let first = counts.first().copied().unwrap_or(0);
        let fields = if counts.iter().all(|count| *count == first) { first } else { 0 };
        Self { count: counts.len(), fields, named }
    }

    fn is_even(&self, least: usize) -> bool {
        self.count >= least && self.fields >= 2
    }
}
