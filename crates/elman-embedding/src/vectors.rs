use std::{
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use half::f16;
use npyz::{DType, NpyFile, Order};
use safetensors::{Dtype, tensor::Metadata};

use crate::error::EmbeddingError;

/// Vectors in a file, one per text, of which some are read at a time: a `.npy` array or the one matrix of a `.safetensors`
/// file, `[rows, width]`, in 16 or 32 bits.
#[derive(Debug)]
pub struct VectorFile {
    path: PathBuf,
    file: File,
    start: u64,
    rows: usize,
    width: usize,
    half: bool,
}

/// Where a file's numbers lie.
struct Layout {
    start: u64,
    shape: Vec<usize>,
    half: bool,
}

impl VectorFile {
    /// Opens a file and reads its shape.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if it cannot be read, [`EmbeddingError::Vectors`] if it is of another kind.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, EmbeddingError> {
        let path = path.as_ref();
        let mut file =
            elman_files::open(path).map_err(|source| elman_lm::LmError::Read { path: path.into(), source })?;
        let bad = |reason: String| EmbeddingError::Vectors { path: path.into(), reason };
        let layout = match path.extension().and_then(|ending| ending.to_str()) {
            Some("npy") => npy(&mut file),
            Some("safetensors") => matrix(&mut file),
            _ => Err("its name must end in .npy or .safetensors".into()),
        };
        let Layout { start, shape, half } = layout.map_err(bad)?;
        let [rows, width] = shape[..] else {
            return Err(bad(format!("it has the shape {shape:?}, not [rows, width]")));
        };
        if width == 0 {
            return Err(bad("its vectors have no numbers".into()));
        }
        let found = file.metadata().map_or(0, |data| data.len());
        // in 128 bits, because a header may say anything
        let expected = u128::from(start) + rows as u128 * width as u128 * if half { 2 } else { 4 };
        if u128::from(found) < expected {
            return Err(bad(format!("it is cut off: {expected} bytes were expected, {found} found")));
        }
        Ok(Self { path: path.into(), file, start, rows, width, half })
    }

    /// Reads some rows, in the order that is asked for, `[rows, width]`.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the file cannot be read.
    ///
    /// # Panics
    /// If there are not so many rows.
    pub fn read(&self, rows: &[usize]) -> Result<Vec<f32>, EmbeddingError> {
        let size = self.width * if self.half { 2 } else { 4 };
        let mut bytes = vec![0; size];
        let mut values = Vec::with_capacity(rows.len() * self.width);
        for &row in rows {
            assert!(row < self.rows, "read: row {row} of {}", self.rows);
            let mut file = &self.file;
            let at = SeekFrom::Start(self.start + row as u64 * size as u64);
            file.seek(at).and_then(|_| file.read_exact(&mut bytes)).map_err(|source| self.failed(source))?;
            self.decode(&bytes, &mut values);
        }
        Ok(values)
    }

    /// Looks at every row once, from the first to the last.
    ///
    /// # Errors
    /// [`EmbeddingError::Model`] if the file cannot be read; what `f` returns.
    pub fn each(&self, mut f: impl FnMut(usize, &[f32]) -> Result<(), EmbeddingError>) -> Result<(), EmbeddingError> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.start)).map_err(|source| self.failed(source))?;
        let mut file = BufReader::with_capacity(1 << 20, file);
        let mut bytes = vec![0; self.width * if self.half { 2 } else { 4 }];
        let mut values = Vec::with_capacity(self.width);
        for row in 0..self.rows {
            file.read_exact(&mut bytes).map_err(|source| self.failed(source))?;
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

    fn failed(&self, source: io::Error) -> EmbeddingError {
        elman_lm::LmError::Read { path: self.path.clone(), source }.into()
    }

    /// How many vectors there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Numbers in a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Brackets in the header of an array, of which NumPy writes two: a reader that follows thousands of them runs out of stack.
const MAX_BRACKETS: usize = 8;

fn npy(file: &mut File) -> Result<Layout, String> {
    check_npy(file)?;
    // of a syntax error the first line, without the drawing below it
    let text = |error: io::Error| error.to_string().lines().next().unwrap_or_default().to_owned();
    let header = NpyFile::new(&mut *file).map_err(text)?;
    let (shape, order, dtype) = (header.shape().to_vec(), header.order(), header.dtype());
    let DType::Plain(kind) = dtype else { return Err("its numbers are of no plain type".into()) };
    let half = match kind.to_string().trim_matches('\'') {
        "<f2" => true,
        "<f4" => false,
        other => return Err(format!("its numbers are of type {other}, not <f4 or <f2")),
    };
    if order != Order::C {
        return Err("it is in Fortran's order: save it with numpy.ascontiguousarray".into());
    }
    let start = file.stream_position().map_err(text)?;
    Ok(Layout { start, shape: shape.into_iter().map(|n| n as usize).collect(), half })
}

/// Longer headers are not read.
const MAX_HEADER: u64 = 1 << 20;

/// Looks at an array's header before it is parsed: its length, and how deeply it is nested. The file is at its begin again then.
fn check_npy(file: &mut File) -> Result<(), String> {
    let text = |error: io::Error| error.to_string();
    let mut begin = Vec::new();
    Read::by_ref(file).take(MAX_HEADER).read_to_end(&mut begin).map_err(text)?;
    // the magic, the version, and the header's length in two bytes or, later, four
    let length = match begin.get(6..12) {
        Some(&[1, _, a, b, ..]) => u64::from(u16::from_le_bytes([a, b])),
        Some(&[_, _, a, b, c, d]) => u64::from(u32::from_le_bytes([a, b, c, d])),
        _ => 0,
    };
    if length > MAX_HEADER {
        return Err(format!("its header has {length} bytes"));
    }
    let header = &begin[..begin.len().min(length as usize + 12)];
    if header.iter().filter(|byte| b"([{".contains(byte)).count() > MAX_BRACKETS {
        return Err("its header is not that of one array of numbers".into());
    }
    file.rewind().map_err(text)
}

fn matrix(file: &mut File) -> Result<Layout, String> {
    let text = |error: io::Error| error.to_string();
    let mut header = [0; 8];
    file.read_exact(&mut header).map_err(text)?;
    let length = u64::from_le_bytes(header);
    if length > MAX_HEADER {
        return Err(format!("its header has {length} bytes"));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes).map_err(text)?;
    // refuses offsets that overlap, leave gaps or disagree with a shape
    let header: Metadata = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
    let matrices: Vec<_> = header.tensors().into_iter().filter(|(_, info)| info.shape.len() == 2).collect();
    let [(name, info)] = &matrices[..] else { return Err(format!("it has {} matrices, not one", matrices.len())) };
    let half = match info.dtype {
        Dtype::F16 => true,
        Dtype::F32 => false,
        other => return Err(format!("{name} is of type {other:?}, not F32 or F16")),
    };
    Ok(Layout { start: 8 + length + info.data_offsets.0 as u64, shape: info.shape.clone(), half })
}
