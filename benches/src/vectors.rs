use std::{fs::File, io::BufReader, path::Path};

use npyz::{NpyFile, Order};

use crate::error::BenchError;

/// Vectors in full precision.
#[derive(Debug)]
pub(crate) struct Vectors {
    pub width: usize,
    /// `[vectors, width]`
    pub values: Vec<f32>,
}

impl Vectors {
    /// Reads NumPy's file of a float32 array, `[vectors, width]`.
    pub fn read(path: &Path) -> Result<Self, BenchError> {
        let failed = |source| BenchError::Read { path: path.into(), source };
        let file = NpyFile::new(BufReader::new(File::open(path).map_err(failed)?)).map_err(failed)?;
        let (shape, order) = (file.shape().to_vec(), file.order());
        let found = format!("{} {shape:?} in {order:?}'s order", file.dtype().descr());
        match (shape.as_slice(), order, file.try_data()) {
            (&[_, width], Order::C, Ok(data)) if width > 0 => {
                let values = data.collect::<Result<_, _>>().map_err(failed)?;
                Ok(Self { width: width as usize, values })
            }
            _ => Err(BenchError::Array { path: path.into(), found }),
        }
    }

    /// The first numbers of each, scaled to length 1; those that are zero are left out.
    #[cfg(feature = "graph")]
    pub fn cut(self, width: usize) -> Self {
        let width = width.clamp(1, self.width);
        let cut = self.rows().flat_map(|row| {
            let length = row[..width].iter().map(|value| value * value).sum::<f32>().sqrt();
            let kept = if length > 0.0 { &row[..width] } else { &[] };
            kept.iter().map(move |value| value / length)
        });
        Self { width, values: cut.collect() }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.values.len() / self.width
    }

    pub fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.values.chunks_exact(self.width)
    }
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;

    fn file<T: npyz::AutoSerialize + Copy>(values: &[T], width: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut writer = npyz::WriteOptions::new().default_dtype().writer(file.as_file()).begin_2d(width).unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        file
    }

    #[test]
    fn a_file_is_read_or_refused_with_what_it_holds() {
        let vectors = Vectors::read(file(&[1_f32, 2.0, 3.0, 4.0, 5.0, 6.0], 3).path()).unwrap();
        assert_eq!((vectors.count(), vectors.rows().nth(1).unwrap()), (2, [4.0, 5.0, 6.0].as_slice()));
        let wide = file(&[1_f64, 2.0], 2);
        let error = Vectors::read(wide.path()).unwrap_err().to_string();
        assert!(error.ends_with("in C's order, and holds '<f8' [1, 2] in C's order"), "{error}");
        let error = Vectors::read(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("cannot read '/no/such/file': "), "{error}");
    }
}
