use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::f16;
use npyz::{DType, NpyFile, Order};
use safetensors::{Dtype, tensor::Metadata};

use crate::error::EmbeddingError;

/// A file of vectors, one per text, which reads rows on demand: a `.npy` array or the only matrix of a `.safetensors`
/// file, `[rows, width]`, f32 or f16.
#[derive(Debug)]
pub struct VectorFile {
    path: PathBuf,
    file: File,
    start: u64,
    rows: usize,
    width: usize,
    half: bool,
}

/// Offset (in bytes), shape and dtype of a file's values.
struct Layout {
    start: u64,
    shape: Vec<usize>,
    half: bool,
}

impl VectorFile {
    /// Opens a file and reads its shape.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if it cannot be read, [`EmbeddingError::Vectors`] if it is not a vector file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EmbeddingError> {
        let path = path.as_ref();
        let mut file =
            elman_files::open(path).map_err(|source| elman_lm::LmError::Read { path: path.into(), source })?;
        let invalid = |reason: String| EmbeddingError::Vectors { path: path.into(), reason };
        let layout = match path.extension().and_then(|extension| extension.to_str()) {
            Some("npy") => npy_layout(&mut file),
            Some("safetensors") => safetensors_layout(&mut file),
            _ => Err("its name must end in .npy or .safetensors".into()),
        };
        let Layout { start, shape, half } = layout.map_err(invalid)?;
        let [rows, width] = shape[..] else {
            return Err(invalid(format!("it has the shape {shape:?}, not [rows, width]")));
        };
        if width == 0 {
            return Err(invalid("its vectors have dimension 0".into()));
        }
        let found = file.metadata().map_or(0, |data| data.len());
        // in 128 bits, since a header can contain any shape
        let expected = u128::from(start) + rows as u128 * width as u128 * if half { 2 } else { 4 };
        if u128::from(found) < expected {
            return Err(invalid(format!("it is truncated: expected {expected} bytes, found {found}")));
        }
        Ok(Self { path: path.into(), file, start, rows, width, half })
    }

    /// Reads the given rows, in that order, `[rows, width]`.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the file cannot be read.
    ///
    /// # Panics
    /// If a row is out of range.
    pub fn read(&self, rows: &[usize]) -> Result<Vec<f32>, EmbeddingError> {
        let size = self.width * if self.half { 2 } else { 4 };
        let mut bytes = vec![0; size];
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            assert!(row < self.rows, "read: row {row} of {}", self.rows);
            let mut file = &self.file;
            let at = SeekFrom::Start(self.start + row as u64 * size as u64);
            file.seek(at).and_then(|_| file.read_exact(&mut bytes)).map_err(|source| self.read_error(source))?;
            self.decode(&bytes, &mut values);
        }
        Ok(values)
    }

    /// Calls `f` with every row, in order.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the file cannot be read; errors of `f`.
    pub fn each(&self, mut f: impl FnMut(usize, &[f32]) -> Result<(), EmbeddingError>) -> Result<(), EmbeddingError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start)).map_err(|source| self.read_error(source))?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut bytes = vec![0; self.width * if self.half { 2 } else { 4 }];
        let mut values = Vec::with_capacity(self.width);
        for row in 0..self.rows {
            file.read_exact(&mut bytes).map_err(|source| self.read_error(source))?;
            values.clear();
            self.decode(&bytes, &mut values);
            f(row, &values)?;
        }
        Ok(())
    }

    fn decode(&self, bytes: &[u8], into: &mut Vec<f32>) {
        if self.half {
            into.extend(bytes.as_chunks::<2>().0.iter().map(|x| f16::from_le_bytes(*x).to_f32()));
        } else {
            into.extend(bytes.as_chunks::<4>().0.iter().map(|x| f32::from_le_bytes(*x)));
        }
    }

    fn read_error(&self, source: io::Error) -> EmbeddingError {
        elman_lm::LmError::Read { path: self.path.clone(), source }.into()
    }

    /// Number of vectors.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The dimension of the vectors.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Maximum number of brackets in a `.npy` header. NumPy writes two; thousands would overflow the parser's stack.
const MAX_BRACKETS: usize = 8;

fn npy_layout(file: &mut File) -> Result<Layout, String> {
    check_npy(file)?;
    // only the first line of a syntax error, without the illustration below it
    let message = |error: io::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let header = NpyFile::new(&mut *file).map_err(message)?;
    let (shape, order, dtype) = (header.shape().to_vec(), header.order(), header.dtype());
    let DType::Plain(scalar) = dtype else { return Err("its dtype is not a scalar type".into()) };
    let half = match scalar.to_string().trim_matches('\'') {
        "<f2" => true,
        "<f4" => false,
        other => return Err(format!("its dtype is {other}, not <f4 or <f2")),
    };
    if order != Order::C {
        return Err("it is in Fortran order: save it with numpy.ascontiguousarray".into());
    }
    let start = file.stream_position().map_err(message)?;
    Ok(Layout { start, shape: shape.into_iter().map(|n| n as usize).collect(), half })
}

/// Maximum header size in bytes.
const MAX_HEADER_BYTES: u64 = 1 << 20;

/// Checks the length and nesting of a `.npy` header before it is parsed, and rewinds the file.
fn check_npy(file: &mut File) -> Result<(), String> {
    let message = |error: io::Error| error.to_string();
    let mut prefix = Vec::new();
    Read::by_ref(file).take(MAX_HEADER_BYTES).read_to_end(&mut prefix).map_err(message)?;
    // magic, version, and the header length in two bytes (version 1) or four
    let length = match prefix.get(6..12) {
        Some(&[1, _, a, b, ..]) => u64::from(u16::from_le_bytes([a, b])),
        Some(&[_, _, a, b, c, d]) => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => 0,
    };
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header has {length} bytes"));
    }
    let header = &prefix[..prefix.len().min(length as usize + 12)];
    if header.iter().filter(|byte| b"([{".contains(byte)).count() > MAX_BRACKETS {
        return Err("its header does not describe one numeric array".into());
    }
    file.rewind().map_err(message)
}

fn safetensors_layout(file: &mut File) -> Result<Layout, String> {
    let message = |error: io::Error| error.to_string();
    let mut header = [0; 8];
    file.read_exact(&mut header).map_err(message)?;
    let length = u64::from_le_bytes(header);
    if length > MAX_HEADER_BYTES {
        return Err(format!("its header has {length} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(message)?;
    // rejects offsets that overlap, leave gaps or disagree with a shape
    let header: Metadata = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let matrices: Vec<_> = header.tensors().into_iter().filter(|(_, info)| info.shape.len() == 2).collect();
    let [(name, info)] = &matrices[..] else { return Err(format!("it has {} matrices, not one", matrices.len())) };
    let half = match info.dtype {
        Dtype::F16 => true,
        Dtype::F32 => false,
        other => return Err(format!("{name} has dtype {other:?}, not F32 or F16")),
    };
    Ok(Layout { start: 8 + length + info.data_offsets.0 as u64, shape: info.shape.clone(), half })
}
