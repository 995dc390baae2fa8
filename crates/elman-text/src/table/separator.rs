use std::{io::Cursor, path::Path, sync::Arc};

use super::{Columns, quoted::Quoted, record::Record};

/// The separator of the fields of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Separator {
    Comma,
    Semicolon,
    Tab,
    Bar,
}

/// Rows that are read to guess the separator.
const SAMPLE_ROWS: usize = 20;

/// The beginning of a text.
pub(super) struct Sample<'a> {
    pub(super) bytes: &'a [u8],
    /// Whether this is the whole text.
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

    /// Name for messages.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "commas",
            Self::Semicolon => "semicolons",
            Self::Tab => "tabs",
            Self::Bar => "bars",
        }
    }

    /// Number of fields in a line with balanced quotes.
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

    /// The separator that the first line declares, as spreadsheet programs write it (`sep=;`), and the length of that
    /// line.
    pub(super) fn declared(text: &[u8]) -> Option<(Self, usize)> {
        let end = text.iter().position(|byte| *byte == b'\n')?;
        let line = text[..end].strip_suffix(b"\r").unwrap_or(&text[..end]);
        let [b's' | b'S', b'e' | b'E', b'p' | b'P', b'=', byte] = line else { return None };
        Self::ALL.into_iter().find(|separator| separator.byte() == *byte).map(|separator| (separator, end + 1))
    }

    /// Guesses the separator of a table: the one for which the first row contains the most column names, otherwise the
    /// one that splits all rows into the same, and largest, number of fields. A single row is enough if it must be a
    /// header.
    pub(super) fn guess(sample: &Sample, columns: &Columns) -> Self {
        let rows = |separator| Rows::new(sample, separator, columns);
        Self::from_header(sample, columns).unwrap_or_else(|| {
            let min_rows = if columns.is_by_name() { 1 } else { 2 };
            let even = Self::ALL.into_iter().rev().filter(|separator| rows(*separator).is_even(min_rows));
            // max_by_key returns the last maximum, and the order is reversed: the first separator wins ties
            even.max_by_key(|separator| rows(*separator).fields).unwrap_or(Self::Comma)
        })
    }

    /// The separator for which the first row contains the most column names, if it contains any and has several fields.
    pub(super) fn from_header(sample: &Sample, columns: &Columns) -> Option<Self> {
        let named = |separator: &Self| Rows::new(sample, *separator, columns).named;
        let best = Self::ALL.into_iter().rev().max_by_key(named)?;
        (named(&best) > 0).then_some(best)
    }
}

/// Statistics of the first rows for a separator.
struct Rows {
    count: usize,
    /// Fields of each row; 0 if they differ.
    fields: usize,
    /// Number of column names in the first row, if it has several fields.
    named: usize,
}

impl Rows {
    fn new(sample: &Sample, separator: Separator, columns: &Columns) -> Self {
        let path: Arc<Path> = Path::new("").into();
        let text = Box::new(Cursor::new(sample.bytes.to_vec()));
        let mut reader = Quoted::new(path, text, separator, 1);
        let (mut record, mut counts, mut named) = (Record::default(), Vec::new(), 0);
        // malformed rows are reported when they are read
        while counts.len() < SAMPLE_ROWS && reader.read(&mut record).is_ok_and(|has_row| has_row) {
            if counts.is_empty() {
                let is_present = |name: &&String| record.iter().any(|field| field.trim_ascii() == name.as_bytes());
                named = if record.len() < 2 { 0 } else { columns.names().iter().filter(is_present).count() };
            }
            counts.push(record.len());
        }
        if !sample.is_whole && counts.len() < SAMPLE_ROWS {
            counts.pop(); // truncated by the end of the sample
        }
        let first = counts.first().copied().unwrap_or(0);
        let fields = if counts.iter().all(|count| *count == first) { first } else { 0 };
        Self { count: counts.len(), fields, named }
    }

    fn is_even(&self, min_rows: usize) -> bool {
        self.count >= min_rows && self.fields >= 2
    }
}
