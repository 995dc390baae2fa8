use std::{fs::File, io::BufReader, path::Path};

use npyz::{NpyFile, Order};

use crate::error::BenchError;

/// f32 vectors.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub dim: usize,
    /// `[vectors, dim]`
    pub values: Vec<f32>,
}

impl Vectors {
    /// Reads an `.npy` file of an f32 array `[vectors, dim]`.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Read { path: path.into(), source };
        let file = NpyFile::new(BufReader::new(File::open(path).map_err(failed)?)).map_err(failed)?;
        let (shape, order) = (file.shape().to_vec(), file.order());
        let found = format!("{} {shape:?} in {order:?} order", file.dtype().descr());
        match (shape.as_slice(), order, file.try_data()) {
            (&[_, dim], Order::C, Ok(data)) if dim > 0 => {
                let values = data.collect::<Result<_, _>>().map_err(failed)?;
                Ok(Self { dim: dim as usize, values })
            }
            _ => Err(BenchError::Array { path: path.into(), found }),
        }
    }

    /// Truncates each vector to its first `dim` elements and normalizes it to length 1; zero vectors are dropped.
    #[cfg(feature = "graph")]
    pub fn truncate(self, dim: usize) -> Self {
        let dim = dim.clamp(1, self.dim);
        let truncated = self.rows().flat_map(|row| {
            let length = row[..dim].iter().map(|value| value * value).sum::<f32>().sqrt();
            let values = if length > 0.0 { &row[..dim] } else { &[] };
            values.iter().map(move |value| value / length)
        });
        Self { dim, values: truncated.collect() }
    }

    /// Number of vectors.
    pub fn count(&self) -> usize {
        self.values.len() / self.dim
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.dim)
    }
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;

    fn file<T: npyz::AutoSerialize + Copy>(values: &[T], dim: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().writer(file.as_file()).begin_2d(dim).unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn file_is_read_or_rejected_with_its_dtype_and_shape() {
        let vectors = Vectors::read(file(&[1_f32, 2.0, 3.0, 4.0, 5.0, 6.0], 3).path()).unwrap();
        assert_eq!((vectors.count(), vectors.rows().nth(1).unwrap()), (2, [4.0, 5.0, 6.0].as_slice()));
        let wide = file(&[1_f64, 2.0], 2);
        let error = Vectors::read(wide.path()).unwrap_err().to_string();
        assert!(error.ends_with("in C order, not '<f8' [1, 2] in C order"), "{error}");
        let error = Vectors::read(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read '/no/such/file': "), "{error}");
    }
}
