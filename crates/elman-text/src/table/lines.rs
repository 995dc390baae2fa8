use std::io::{self, BufRead};

use crate::pieces::mark;

/// The lines of a text that are not empty, without their ends (`\n` or `\r\n`), and their numbers from 1.
pub(crate) struct Lines {
    input: Box<dyn BufRead + Send>,
    number: u64,
    line: Vec<u8>,
}

impl Lines {
    pub(crate) fn new(input: Box<dyn BufRead + Send>) -> Self {
        Self { input, number: 0, line: Vec::new() }
    }

    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        loop {
            self.line.clear();
            if self.input.read_until(b'\n', &mut self.line)? == 0 {
                return Ok(None);
            }
            self.number += 1;
            for end in [b'\n', b'\r'] {
                self.line.pop_if(|last| *last == end);
            }
            let start = if self.number == 1 { mark(&self.line) } else { 0 };
            if self.line.len() > start {
                return Ok(Some((self.number, &self.line[start..])));
            }
        }
    }
}
