use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use super::{
    Columns, Source,
    json::Json,
    separated::{Records, Separated},
};
use crate::{
    error::TextError,
    input::{BUFFER, Encoding, Text, decoded},
    lines::Lines,
};

/// What a file is, by the ending of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Lines(Kind),
    /// The same, compressed.
    Zipped(Kind),
    Parquet,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Tsv,
    Csv,
    Txt,
    Json,
}

impl Format {
    pub(super) fn of(path: &Path) -> Result<Self, TextError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let (ending, zipped) = ending(&name);
        let kind = match ending {
            "tsv" => Kind::Tsv,
            "csv" => Kind::Csv,
            "txt" => Kind::Txt,
            "jsonl" | "ndjson" => Kind::Json,
            "parquet" if !zipped => return Ok(Self::Parquet),
            _ => return Err(TextError::UnknownTable { path: path.into() }),
        };
        Ok(if zipped { Self::Zipped(kind) } else { Self::Lines(kind) })
    }
}

/// The ending of a name in small letters without `.gz`, and whether it has that.
pub(super) fn ending(name: &str) -> (&str, bool) {
    let (name, zipped) = name.strip_suffix(".gz").map_or((name, false), |name| (name, true));
    (name.rsplit_once('.').map_or("", |(_, ending)| ending), zipped)
}

/// Reads rows from lines.
pub(super) fn read(
    kind: Kind,
    path: &Arc<Path>,
    text: io::Result<Text>,
    columns: &Arc<Columns>,
) -> Result<Box<dyn Source>, TextError> {
    let failed = |error| TextError::reading(path, error);
    let mut text = text.map_err(failed)?;
    if text.reader.fill_buf().map_err(failed)?.is_empty() {
        return Err(TextError::Empty { path: path.to_path_buf() });
    }
    let separated = |records| Box::new(Separated::new(path.clone(), columns.clone(), records));
    Ok(match kind {
        Kind::Tsv => separated(Records::tsv(path, text, columns)?),
        Kind::Csv => separated(Records::csv(path, text, columns)?),
        Kind::Txt => separated(Records::Whole(Lines::of(path, text))),
        Kind::Json => Box::new(Json::new(path.clone(), columns.clone(), Lines::of(path, text))),
    })
}

/// The text of what is compressed or not.
pub(super) fn text(input: impl Read + Send + 'static, zipped: bool, encoding: Encoding) -> io::Result<Text> {
    let input = BufReader::with_capacity(BUFFER, input);
    match zipped {
        true => decoded(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input)), encoding),
        false => decoded(input, encoding),
    }
}
