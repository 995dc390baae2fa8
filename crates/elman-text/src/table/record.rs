use std::ops::Range;

/// The fields of a row, and the line on which it begins.
#[derive(Debug, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    pub(super) line: u64,
}

impl Record {
    pub(super) fn clear(&mut self, line: u64) {
        self.bytes.clear();
        self.ends.clear();
        self.line = line;
    }

    /// Appends to the open field.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(super) fn end_field(&mut self) {
        self.ends.push(self.bytes.len());
    }

    /// The open field, which has not ended yet.
    pub(super) fn open_field(&self) -> &[u8] {
        &self.bytes[self.ends.last().copied().unwrap_or(0)..]
    }

    /// Removes the last byte of the open field if it equals `byte`.
    pub(super) fn strip(&mut self, byte: u8) {
        if self.open_field().ends_with(&[byte]) {
            self.bytes.pop();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = *self.ends.get(index)?;
        let range: Range<usize> = if index == 0 { 0..end } else { self.ends[index - 1]..end };
        Some(&self.bytes[range])
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Whether this is the record of an empty line.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.len() < 2
    }
}
