use elman::index::{
    IndexError,
    quantized::{Binary, Float32, Int8},
};

/// The same vectors in every vector dtype.
pub(super) struct QuantizedVectors<'a> {
    pub float32: Float32<'a>,
    pub int8: Int8,
    pub binary: Binary,
}

impl<'a> QuantizedVectors<'a> {
    pub fn new(dim: usize, values: &'a [f32]) -> Result<Self, IndexError> {
        let (mut int8, mut binary) = (Int8::new(dim)?, Binary::new(dim)?);
        for vector in values.chunks_exact(dim) {
            int8.push(vector)?;
            binary.push(vector)?;
        }
        Ok(Self { float32: Float32::new(dim, values)?, int8, binary })
    }
}
