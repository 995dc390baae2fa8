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

/// File format, by the extension of the file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Lines(Kind),
    /// The same, compressed with gzip.
    Gzip(Kind),
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
    pub(super) fn from_path(path: &Path) -> Result<Self, TextError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let (extension, is_gzip) = extension(&name);
        let kind = match extension {
            "tsv" => Kind::Tsv,
            "csv" => Kind::Csv,
            "txt" => Kind::Txt,
            "jsonl" | "ndjson" => Kind::Json,
            "parquet" if !is_gzip => return Ok(Self::Parquet),
            _ => return Err(TextError::UnknownTable { path: path.into() }),
        };
        Ok(if is_gzip { Self::Gzip(kind) } else { Self::Lines(kind) })
    }
}

/// The extension of a lowercase name without `.gz`, and whether it has `.gz`.
pub(super) fn extension(name: &str) -> (&str, bool) {
    let (name, is_gzip) = name.strip_suffix(".gz").map_or((name, false), |name| (name, true));
    (name.rsplit_once('.').map_or("", |(_, extension)| extension), is_gzip)
}

/// Opens a text table.
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
        Kind::Txt => separated(Records::Whole(Lines::from_text(path, text))),
        Kind::Json => Box::new(Json::new(path.clone(), columns.clone(), Lines::from_text(path, text))),
    })
}

/// Decodes a text, and decompresses it if necessary.
pub(super) fn text(input: impl Read + Send + 'static, is_gzip: bool, encoding: Encoding) -> io::Result<Text> {
    let input = BufReader::with_capacity(BUFFER, input);
    match is_gzip {
        true => decoded(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(input)), encoding),
        false => decoded(input, encoding),
    }
}
