use std::{
    fmt::Display,
    fs,
    io::{self, IsTerminal, Write},
    path::Path,
};

use serde::Serialize;

use elman::text::printable;

use crate::error::CliError;

/// Writes a line for a person to standard output: no text of a file in it can disturb a terminal.
pub fn line(text: impl AsRef<str>) -> Result<(), CliError> {
    styled_line(printable::printable(text.as_ref()))
}

/// Writes a line to standard output whose parts are [`printable`] and may have colors between them.
pub fn styled_line(text: impl AsRef<str>) -> Result<(), CliError> {
    write(text.as_ref())?;
    write("\n")
}

/// Writes a line for a program to standard output: the exact text, save on a terminal.
pub fn exact_line(text: impl AsRef<str>) -> Result<(), CliError> {
    piece(text)?;
    write("\n")
}

/// Writes a part of a line as [`exact_line`] does, and lets it be seen at once.
pub fn piece(text: impl AsRef<str>) -> Result<(), CliError> {
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

/// Tells the user something on standard error, in one short line that no file's content can disturb the terminal with.
pub fn notice(text: impl Display) {
    notice_with(text, "");
}

/// As [`notice`], with something behind it that is never cut.
pub fn notice_with(text: impl Display, whole: &str) {
    eprintln!("{}{}", printable::message(&text.to_string()), printable::in_one_line(whole));
}

/// Writes a value to standard output as JSON, indented.
pub fn json(value: &impl Serialize) -> Result<(), CliError> {
    json_line(&serde_json::to_string_pretty(value).expect("figures and names are valid JSON"))
}

/// A word of a command that a shell is to read as it is.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:=,+@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Fails now where writing a file would fail after hours: the folder is not there, or the name is a folder's.
pub fn check(path: &Path) -> Result<(), CliError> {
    let failed = |source| CliError::Write { path: path.into(), source };
    if path.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), |folder| fs::metadata(folder).map(drop)).map_err(failed)
}

/// Writes a file, replacing it at once or not at all.
pub fn replace(path: &Path, content: impl AsRef<[u8]>) -> Result<(), CliError> {
    elman_files::replace(path, content).map_err(|source| CliError::Write { path: path.into(), source })
}
