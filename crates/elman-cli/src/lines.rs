use std::{
    io::{self, IsTerminal},
    path::Path,
};

use elman::text::{Encoding, Lines};

use crate::{error::CliError, output};

/// The lines of a file, one at a time; `-` is standard input.
pub fn open(
    path: &Path,
    encoding: Encoding,
) -> Result<impl Iterator<Item = Result<String, CliError>> + use<>, CliError> {
    let lines = if path == Path::new("-") {
        if io::stdin().is_terminal() {
            output::notice("note: reading texts from the terminal, one per line; press Ctrl-D to finish");
        }
        Lines::new("standard input", io::stdin(), encoding)?
    } else {
        Lines::open(path, encoding)?
    };
    Ok(lines.map(|line| Ok(line?)))
}
