//! Vector files, written row by row with one vector in memory at a time.

use std::{
    io::{self, BufWriter, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use elman::index::quantized::VectorDtype;
use npyz::WriterBuilder;
use safetensors::tensor::TensorInfo;
use serde::Serialize;

use crate::{error::CliError, output, vector_element::VectorElement};

/// A text and its vector.
pub type Row<N> = (String, Vec<N>);

/// The formats of vector files, selected by file extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// NumPy: one array `[lines, dim]`.
    Npy,
    /// One tensor `embeddings` `[lines, dim]`. For dtypes other than f32, the header's metadata has `precision` and
    /// `d_embedding`.
    Safetensors,
    /// One JSON object per line, with `text` and `embedding`.
    JsonLines,
}

/// A vector file to write.
#[derive(Clone, Debug)]
pub struct VectorFile {
    pub path: PathBuf,
    format: Format,
}

impl std::str::FromStr for VectorFile {
    type Err = String;

    fn from_str(path: &str) -> Result<Self, String> {
        let format = match Path::new(path).extension().and_then(|e| e.to_str()) {
            Some("npy") => Format::Npy,
            Some("safetensors") => Format::Safetensors,
            Some("jsonl") => Format::JsonLines,
            _ => return Err("the file name must end in .npy, .safetensors or .jsonl".into()),
        };
        Ok(Self { path: path.into(), format })
    }
}

impl VectorFile {
    /// Writes all rows atomically, with vectors of dimension `dim`, and returns the number of rows. Nothing is written
    /// if a row is an error.
    pub fn write<N: VectorElement>(
        &self,
        dim: usize,
        rows: impl Iterator<Item = Result<Row<N>, CliError>>,
    ) -> Result<usize, CliError> {
        let mut failed = None;
        let rows = rows.map_while(|row| row.map_err(|error| failed = Some(error)).ok());
        let written = self.try_write(dim, rows);
        match failed {
            Some(error) => Err(error),
            None => {
                let (file, count) = written.map_err(|source| self.cannot_write(source))?;
                file.commit().map_err(|source| self.cannot_write(source))?;
                Ok(count)
            }
        }
    }

    fn try_write<N: VectorElement>(
        &self,
        dim: usize,
        rows: impl Iterator<Item = Row<N>>,
    ) -> io::Result<(AtomicWriteFile, usize)> {
        let mut file = BufWriter::new(AtomicWriteFile::open(&self.path)?);
        let count = match self.format {
            Format::Npy => npy(&mut file, dim, rows)?,
            Format::Safetensors => safetensors(&mut file, dim, rows)?,
            Format::JsonLines => json_lines(&mut file, rows)?,
        };
        Ok((file.into_inner()?, count))
    }

    fn cannot_write(&self, source: io::Error) -> CliError {
        CliError::Write { path: self.path.clone(), source }
    }

    /// Fails early if the file cannot be written because its directory does not exist or the path is a directory.
    pub fn check(&self) -> Result<(), CliError> {
        output::check(&self.path)
    }
}

fn npy<N: VectorElement>(file: impl Write + Seek, dim: usize, rows: impl Iterator<Item = Row<N>>) -> io::Result<usize> {
    let elements = N::count(dim) as u64;
    let mut writer = npyz::WriteOptions::new().default_dtype().writer(file).begin_2d(elements)?;
    let mut count = 0;
    for (_, vector) in rows {
        writer.extend(vector)?;
        count += 1;
    }
    writer.finish()?;
    Ok(count)
}

/// Bytes reserved for the header of one tensor: shape, offsets and dimension have at most 20 digits each.
const HEADER: usize = 256;

#[derive(Serialize)]
struct Header {
    #[serde(rename = "__metadata__", skip_serializing_if = "Option::is_none")]
    decoding: Option<Decoding>,
    embeddings: TensorInfo,
}

/// The metadata needed to decode quantized vectors. A struct, for a fixed order of the fields.
#[derive(Serialize)]
struct Decoding {
    precision: VectorDtype,
    d_embedding: String,
}

fn safetensors<N: VectorElement>(
    mut file: impl Write + Seek,
    dim: usize,
    rows: impl Iterator<Item = Row<N>>,
) -> io::Result<usize> {
    file.write_all(&[b' '; 8 + HEADER])?;
    let mut count = 0;
    for (_, vector) in rows {
        for value in vector {
            file.write_all(value.le_bytes().as_ref())?;
        }
        count += 1;
    }
    let (elements, precision) = (N::count(dim), N::VECTOR_DTYPE);
    let size = count * elements * size_of::<N>();
    let decoding = Decoding { precision, d_embedding: dim.to_string() };
    let header = Header {
        decoding: (precision != VectorDtype::F32).then_some(decoding),
        embeddings: TensorInfo { dtype: N::SAFETENSORS_DTYPE, shape: vec![count, elements], data_offsets: (0, size) },
    };
    // the header length includes the spaces after the JSON
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&(HEADER as u64).to_le_bytes())?;
    file.write_all(&serde_json::to_vec(&header)?)?;
    file.flush()?;
    Ok(count)
}

fn json_lines<N: VectorElement>(mut file: impl Write, rows: impl Iterator<Item = Row<N>>) -> io::Result<usize> {
    let mut count = 0;
    for row in rows {
        writeln!(file, "{}", json_line(&row))?;
        count += 1;
    }
    Ok(count)
}

/// A row as one line of JSON.
pub fn json_line<N: VectorElement>((text, embedding): &Row<N>) -> String {
    #[derive(Serialize)]
    struct Line<'a, N> {
        text: &'a str,
        embedding: &'a [N],
    }
    serde_json::to_string(&Line { text, embedding }).expect("texts and finite values are valid JSON")
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Cursor};

    use safetensors::{Dtype, SafeTensors};

    use super::*;

    fn rows() -> impl Iterator<Item = Row<f32>> {
        [("a \"b\"", [0.5, -1.0]), ("", [f32::MIN, 0.1])].map(|(t, v)| (t.into(), v.into())).into_iter()
    }

    const VALUES: [f32; 4] = [0.5, -1.0, f32::MIN, 0.1];

    #[test]
    fn npy_is_read_back() {
        let mut file = Cursor::new(Vec::new());
        assert_eq!(npy(&mut file, 2, rows()).unwrap(), 2);
        let read = npyz::NpyFile::new(file.get_ref().as_slice()).unwrap();
        assert_eq!(read.shape(), [2, 2]);
        assert_eq!(read.into_vec::<f32>().unwrap(), VALUES);
    }

    #[test]
    fn safetensors_are_read_back() {
        let mut file = Cursor::new(Vec::new());
        assert_eq!(safetensors(&mut file, 2, rows()).unwrap(), 2);
        let read = SafeTensors::deserialize(file.get_ref()).unwrap();
        let view = read.tensor("embeddings").unwrap();
        assert_eq!((view.dtype(), view.shape()), (Dtype::F32, [2, 2].as_slice()));
        let bytes: Vec<u8> = VALUES.iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(view.data(), bytes);
    }

    #[test]
    fn quantized_vectors_are_read_back_with_their_metadata() {
        let row = |n: u8| (n.to_string(), vec![n, 0x80]);
        let mut file = Cursor::new(Vec::new());
        npy(&mut file, 9, [1, 2].map(row).into_iter()).unwrap();
        let read = npyz::NpyFile::new(file.get_ref().as_slice()).unwrap();
        assert_eq!((read.shape(), read.dtype().descr()), ([2, 2].as_slice(), "'|u1'".into()));
        assert_eq!(read.into_vec::<u8>().unwrap(), [1, 0x80, 2, 0x80]);
        let mut file = Cursor::new(Vec::new());
        safetensors(&mut file, 9, [1, 2].map(row).into_iter()).unwrap();
        let (_, header) = SafeTensors::read_metadata(file.get_ref()).unwrap();
        let metadata = header.metadata().as_ref().unwrap();
        assert_eq!((&*metadata["precision"], &*metadata["d_embedding"], metadata.len()), ("binary", "9", 2));
        let read = SafeTensors::deserialize(file.get_ref()).unwrap();
        let view = read.tensor("embeddings").unwrap();
        assert_eq!((view.dtype(), view.shape(), view.data()), (Dtype::U8, [2, 2].as_slice(), &[1, 0x80, 2, 0x80][..]));

        let mut file = Cursor::new(Vec::new());
        npy(&mut file, 2, [("".into(), vec![-127_i8, 5])].into_iter()).unwrap();
        let read = npyz::NpyFile::new(file.get_ref().as_slice()).unwrap();
        assert_eq!((read.dtype().descr(), read.into_vec::<i8>().unwrap()), ("'|i1'".into(), vec![-127, 5]));
        let mut file = Vec::new();
        json_lines(&mut file, [("a".into(), vec![-127_i8, 5])].into_iter()).unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), "{\"text\":\"a\",\"embedding\":[-127,5]}\n");
    }

    #[test]
    fn empty_files_are_valid() {
        let rows = std::iter::empty::<Row<f32>>;
        let mut file = Cursor::new(Vec::new());
        npy(&mut file, 3, rows()).unwrap();
        assert_eq!(npyz::NpyFile::new(file.get_ref().as_slice()).unwrap().shape(), [0, 3]);
        let mut file = Cursor::new(Vec::new());
        safetensors(&mut file, 3, rows()).unwrap();
        assert_eq!(SafeTensors::deserialize(file.get_ref()).unwrap().tensor("embeddings").unwrap().shape(), [0, 3]);
    }

    #[test]
    fn json_lines_hold_text_and_vector() {
        let mut file = Vec::new();
        assert_eq!(json_lines(&mut file, rows().take(1)).unwrap(), 1);
        assert_eq!(String::from_utf8(file).unwrap(), "{\"text\":\"a \\\"b\\\"\",\"embedding\":[0.5,-1.0]}\n");
    }

    #[test]
    fn a_row_error_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("v.npy");
        fs::write(&path, "old").unwrap();
        let file: VectorFile = path.to_str().unwrap().parse().unwrap();
        let failing = rows().map(Ok).chain([Err(CliError::NoText { name: "x".into() })]);
        assert_eq!(file.write(2, failing).unwrap_err().to_string(), "'x' has no text");
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_extension_selects_the_format() {
        assert_eq!("a.npy".parse::<VectorFile>().unwrap().format, Format::Npy);
        assert!("a.txt".parse::<VectorFile>().unwrap_err().contains(".npy, .safetensors or .jsonl"));
    }
}
