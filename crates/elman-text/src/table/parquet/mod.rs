mod checked;

use std::{
    panic::AssertUnwindSafe,
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use parquet::{
    basic::{ConvertedType, Repetition, Type as Physical},
    errors::ParquetError,
    file::reader::{ChunkReader, FileReader, SerializedFileReader},
    record::{Field, Row, reader::RowIter},
    schema::types::Type,
};

use self::checked::Checked;
use super::{Columns, RowLocation, Source, Values, row::shortened};
use elman_files::one_line;

use crate::{error::TextError, guard, input::Watched};

/// Selected columns of a Parquet file, with one row group open at a time.
pub(super) struct Parquet {
    path: Arc<Path>,
    columns: Arc<Columns>,
    rows: RowIter<'static>,
    number: u64,
    /// The file, if the input is one, to detect modifications.
    file: Option<Watched>,
}

impl Parquet {
    pub(super) fn open(path: Arc<Path>, watched: Watched, columns: Arc<Columns>) -> Result<Self, TextError> {
        let file = elman_files::open(&path).map_err(|source| TextError::Read { path: path.to_path_buf(), source })?;
        Ok(Self { file: Some(watched), ..Self::new(path, file, columns)? })
    }

    pub(super) fn read(path: Arc<Path>, bytes: Bytes, columns: Arc<Columns>) -> Result<Self, TextError> {
        Self::new(path, bytes, columns)
    }

    fn new(path: Arc<Path>, file: impl ChunkReader + 'static, columns: Arc<Columns>) -> Result<Self, TextError> {
        let failed = |error| malformed(&path, None, &error);
        let (file, reads_pages) = Checked::new(file);
        let reader = guarded(|| SerializedFileReader::new(file)).map_err(failed)?;
        reads_pages.store(true, Ordering::Relaxed);
        let schema = reader.metadata().file_metadata().schema();
        let needed = columns.needed();
        let mut fields = Vec::new();
        for (index, name) in columns.names().iter().enumerate() {
            match schema.get_fields().iter().find(|field| field.name() == name) {
                Some(field) if is_readable(field) => fields.push(field.clone()),
                Some(field) => {
                    let reason = format!("its column '{name}' is {}, not of texts, numbers or booleans", kind(field));
                    let expected = "a table of texts";
                    return Err(TextError::Malformed { path: path.to_path_buf(), place: None, expected, reason });
                }
                None if index >= needed => {}
                None => {
                    let found = schema.get_fields().iter().map(|field| field.name().to_owned()).collect();
                    let (path, column) = (path.to_path_buf(), name.clone());
                    return Err(TextError::NoColumn { path, place: None, column, found, separator: None });
                }
            }
        }
        let name = schema.name().to_owned();
        let rows = guarded(|| {
            let projection = Type::group_type_builder(&name).with_fields(fields).build()?;
            RowIter::from_file_into(Box::new(reader)).project(Some(projection))
        });
        Ok(Self { rows: rows.map_err(failed)?, path, columns, number: 0, file: None })
    }

    /// Reads the next row; at the end or on an error, checks that the file was not modified.
    fn row(&mut self) -> Result<Option<Row>, TextError> {
        self.number += 1;
        let row = guarded(|| self.rows.next().transpose());
        if !matches!(row, Ok(Some(_)))
            && let Some(file) = &mut self.file
        {
            file.check().map_err(|error| TextError::reading(&self.path, error))?;
        }
        row.map_err(|error| malformed(&self.path, Some(RowLocation::Row(self.number)), &error))
    }

    fn text(&self, place: RowLocation, column: usize, field: Option<Field>) -> Result<Option<String>, TextError> {
        let (expected, found) = match field {
            Some(Field::Str(text)) => return Ok(Some(text)),
            Some(Field::Bytes(bytes)) => match std::str::from_utf8(bytes.data()) {
                Ok(text) => return Ok(Some(text.to_owned())),
                Err(_) => ("UTF-8 text", shortened(&String::from_utf8_lossy(bytes.data()))),
            },
            None | Some(Field::Null) => return Ok(None),
            // the other readable types are numbers and booleans
            Some(other) => return Ok(Some(other.to_string())),
        };
        let (path, column) = (self.path.to_path_buf(), self.columns.names()[column].clone());
        Err(TextError::Value { path, place, column, expected, found })
    }
}

impl Source for Parquet {
    fn next(&mut self) -> Result<Option<Values>, TextError> {
        let Some(mut fields) = self.row()?.map(Row::into_columns) else { return Ok(None) };
        let place = RowLocation::Row(self.number);
        let mut value = |(column, name): (usize, &String)| {
            let field = fields.iter().position(|(field, _)| field == name).map(|index| fields.swap_remove(index).1);
            self.text(place, column, field)
        };
        let values = self.columns.names().iter().enumerate().map(&mut value).collect::<Result<_, _>>()?;
        Ok(Some((place, values)))
    }
}

/// Whether a column has one value per row, of a type with an obvious text.
fn is_readable(field: &Type) -> bool {
    use ConvertedType::{ENUM, INT_8, INT_16, INT_32, INT_64, JSON, NONE, UINT_8, UINT_16, UINT_32, UINT_64, UTF8};
    let info = field.get_basic_info();
    if !field.is_primitive() || (info.has_repetition() && info.repetition() == Repetition::REPEATED) {
        return false;
    }
    match field.get_physical_type() {
        Physical::BYTE_ARRAY => matches!(info.converted_type(), UTF8 | ENUM | JSON | NONE),
        Physical::INT32 => matches!(info.converted_type(), NONE | INT_8 | INT_16 | INT_32 | UINT_8 | UINT_16 | UINT_32),
        Physical::INT64 => matches!(info.converted_type(), NONE | INT_64 | UINT_64),
        Physical::BOOLEAN | Physical::FLOAT | Physical::DOUBLE => true,
        _ => false,
    }
}

fn kind(field: &Type) -> String {
    match field.is_primitive() {
        true => format!("{} {}", field.get_physical_type(), field.get_basic_info().converted_type()),
        false => "nested".into(),
    }
}

/// Runs library code, and converts its panic on a damaged file to an error.
fn guarded<T>(read: impl FnOnce() -> Result<T, ParquetError>) -> Result<T, ParquetError> {
    guard::guarded(AssertUnwindSafe(read)).unwrap_or_else(|reason| Err(ParquetError::General(reason)))
}

fn malformed(path: &Path, place: Option<RowLocation>, error: &ParquetError) -> TextError {
    TextError::Malformed {
        path: path.into(),
        place,
        expected: "a valid Parquet file",
        reason: one_line(error).chars().take(MAX_REASON_CHARS).collect(),
    }
}

/// Maximum characters of the library's message, which may contain a whole value.
const MAX_REASON_CHARS: usize = 160;
