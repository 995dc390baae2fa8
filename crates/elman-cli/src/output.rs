//! Standard output and standard error: escaping of control characters, JSON, and files.

use std::{
    fmt::Display,
    fs,
    io::{self, IsTerminal, Write},
    path::Path,
};

use serde::Serialize;

use elman::text::printable;

use crate::error::CliError;

/// Writes a line for humans to standard output, with control characters escaped.
pub fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    styled_line(printable::printable(text.as_ref()))
}

/// Writes a line to standard output without escaping: its parts are already [`printable`], and it may have colors.
pub fn styled_line(text: impl AsRef<str>) -> Result<(), CliError> {
    write(text.as_ref())?;
    write("\n")
}

/// Writes a line for programs to standard output: the exact text, but escaped on a terminal.
pub fn exact_line(text: impl AsRef<str>) -> Result<(), CliError> {
    exact(text)?;
    write("\n")
}

/// Writes text like [`exact_line`] without a line end, and flushes.
pub fn exact(text: impl AsRef<str>) -> Result<(), CliError> {
    match io::stdout().is_terminal() {
        true => write(&printable::printable(text.as_ref())),
        false => write(text.as_ref()),
    }
}

fn write(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CliError::Output)
}

/// Writes a line of JSON to standard output.
pub fn json_line(text: &str) -> Result<(), CliError> {
    styled_line(printable::json(text))
}

/// Prints a message on standard error: one line, escaped and truncated.
pub fn notice(text: impl Display) {
    notice_with(text, "");
}

/// Like [`notice`], with a suffix that is escaped, but never truncated.
pub fn notice_with(text: impl Display, suffix: &str) {
    eprintln!("{}{}", printable::message(&text.to_string()), printable::in_one_line(suffix));
}

/// Writes a value to standard output as JSON, indented.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    json_line(&serde_json::to_string_pretty(value).expect("reports are valid JSON"))
}

/// Quotes a word of a command for a POSIX shell, if needed.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Fails early if a file cannot be written because its directory does not exist or the path is a directory.
pub fn check(path: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Write { path: path.into(), source };
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    parent.map_or(Ok(()), |parent| fs::metadata(parent).map(drop)).map_err(failed)
}

/// Writes a file atomically.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) -> Result<(), CliError> {
    elman_files::replace(path, content).map_err(|source| CliError::Write { path: path.into(), source })
}
