use elman::index::{
    IndexError,
    quantized::{Binary, Int8, VectorDtype},
};
use npyz::AutoSerialize;
use safetensors::Dtype;
use serde::Serialize;

/// A number in a file of vectors; of a binary vector, eight signs.
pub trait Number: AutoSerialize + Serialize + Copy {
    const PRECISION: VectorDtype;

    /// Its name in a safetensors file.
    const DTYPE: Dtype;

    /// A vector in such numbers.
    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError>;

    fn le_bytes(self) -> impl AsRef<[u8]>;

    /// How many there are for a vector of `d_embedding` dimensions.
    fn width(d_embedding: usize) -> usize {
        Self::PRECISION.bytes(d_embedding) / size_of::<Self>()
    }
}

impl Number for f32 {
    const PRECISION: VectorDtype = VectorDtype::F32;
    const DTYPE: Dtype = Dtype::F32;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Ok(vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl Number for i8 {
    const PRECISION: VectorDtype = VectorDtype::Int8;
    const DTYPE: Dtype = Dtype::I8;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Int8::quantize(&vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl Number for u8 {
    const PRECISION: VectorDtype = VectorDtype::Binary;
    const DTYPE: Dtype = Dtype::U8;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Binary::quantize(&vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        [self]
    }
}
