use std::{
    io::{self, IsTerminal},
    path::Path,
};

use elman::text::{Encoding, Lines};

use crate::{error::CliError, output};

/// Opens the lines of a file; `-` is standard input.
pub fn open(path: &Path, encoding: Encoding) -> Result<Lines, CliError> {
    if path != Path::new("-") {
        return Ok(Lines::open(path, encoding)?);
    }
    if io::stdin().is_terminal() {
        output::notice("note: reading texts from the terminal, one per line; Ctrl-D ends them");
    }
    Ok(Lines::new("standard input", io::stdin(), encoding)?)
}
