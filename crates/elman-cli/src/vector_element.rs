//! The elements of vector files: `f32`, `int8`, or bytes of binary vectors.

use elman::index::{
    IndexError,
    quantized::{Binary, Int8, VectorDtype},
};
use npyz::AutoSerialize;
use safetensors::Dtype;
use serde::Serialize;

/// The element type of a vector file: a value, or for binary vectors a byte of eight signs.
pub trait VectorElement: AutoSerialize + Serialize + Copy {
    const VECTOR_DTYPE: VectorDtype;

    /// The dtype in a safetensors file.
    const SAFETENSORS_DTYPE: Dtype;

    /// Quantizes a vector to this type.
    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError>;

    /// The little-endian bytes of the element.
    fn le_bytes(self) -> impl AsRef<[u8]>;

    /// The number of elements of a vector of dimension `dim`.
    fn count(dim: usize) -> usize {
        Self::VECTOR_DTYPE.bytes(dim) / size_of::<Self>()
    }
}

impl VectorElement for f32 {
    const VECTOR_DTYPE: VectorDtype = VectorDtype::F32;
    const SAFETENSORS_DTYPE: Dtype = Dtype::F32;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Ok(vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl VectorElement for i8 {
    const VECTOR_DTYPE: VectorDtype = VectorDtype::Int8;
    const SAFETENSORS_DTYPE: Dtype = Dtype::I8;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Int8::quantize(&vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        self.to_le_bytes()
    }
}

impl VectorElement for u8 {
    const VECTOR_DTYPE: VectorDtype = VectorDtype::Binary;
    const SAFETENSORS_DTYPE: Dtype = Dtype::U8;

    fn quantize(vector: Vec<f32>) -> Result<Vec<Self>, IndexError> {
        Binary::quantize(&vector)
    }

    fn le_bytes(self) -> impl AsRef<[u8]> {
        [self]
    }
}
