use elman::index::{
    IndexError,
    quantized::{Binary, Float32, Int8},
};

/// The same vectors in every precision.
pub(super) struct Kept<'a> {
    pub float32: Float32<'a>,
    pub int8: Int8,
    pub binary: Binary,
}

impl<'a> Kept<'a> {
    pub fn new(width: usize, values: &'a [f32]) -> Result<Self, IndexError> {
        let (mut int8, mut binary) = (Int8::new(width)?, Binary::new(width)?);
        for vector in values.chunks_exact(width) {
            int8.push(vector)?;
            binary.push(vector)?;
        }
        Ok(Self { float32: Float32::new(width, values)?, int8, binary })
    }
}
