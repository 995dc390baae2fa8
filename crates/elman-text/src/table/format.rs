use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;

use crate::{
    error::TextError,
    table::{
        Columns, Source,
        json::Json,
        lines::Lines,
        separated::{Records, Separated},
    },
};

/// Opens a file as what the ending of its name says.
pub(crate) fn open(path: &Arc<Path>, columns: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let (ending, zipped) = ending(&name);
    let text = || text(path, zipped);
    let separated = |records| Box::new(Separated::new(path.clone(), columns.clone(), records));
    Ok(match ending {
        "tsv" => separated(Records::Tabs(Lines::new(text()?))),
        "csv" => separated(Records::commas(text()?)),
        "txt" => separated(Records::Whole(Lines::new(text()?))),
        "jsonl" | "ndjson" => Box::new(Json::new(path.clone(), columns.clone(), Lines::new(text()?))),
        "parquet" if !zipped => parquet(path, columns)?,
        _ => return Err(TextError::UnknownTable { path: path.to_path_buf() }),
    })
}

/// The ending of a name in small letters without `.gz`, and whether it has that.
pub(crate) fn ending(name: &str) -> (&str, bool) {
    let (name, zipped) = name.strip_suffix(".gz").map_or((name, false), |name| (name, true));
    (name.rsplit_once('.').map_or("", |(_, ending)| ending), zipped)
}

fn text(path: &Path, zipped: bool) -> Result<Box<dyn BufRead + Send>, TextError> {
    let read = |source| TextError::Read { path: path.into(), source };
    let file = BufReader::new(File::open(path).map_err(read)?);
    let mut text: Box<dyn BufRead + Send> =
        if zipped { Box::new(BufReader::new(MultiGzDecoder::new(file))) } else { Box::new(file) };
    match text.fill_buf().map_err(read)? {
        [] => Err(TextError::Empty { path: path.into() }),
        _ => Ok(text),
    }
}

#[cfg(feature = "parquet")]
fn parquet(path: &Arc<Path>, columns: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    Ok(Box::new(crate::table::parquet::Parquet::open(path.clone(), columns.clone())?))
}

#[cfg(not(feature = "parquet"))]
fn parquet(path: &Arc<Path>, _: &Arc<Columns>) -> Result<Box<dyn Source>, TextError> {
    Err(TextError::NoParquet { path: path.to_path_buf() })
}
