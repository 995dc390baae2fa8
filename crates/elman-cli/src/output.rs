use std::io::{self, Write};

use serde::Serialize;

use crate::error::CliError;

/// Writes a line to standard output.
pub fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    piece(text)?;
    piece("\n")
}

/// Writes to standard output and lets it be seen at once.
pub fn piece(text: impl AsRef<str>) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Writes a value to standard output as JSON, indented.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    line(serde_json::to_string_pretty(value).expect("figures and names are valid JSON"))
}
