//! Numbers of 16 bits are only stored: sums are of more.

use burn::tensor::{DType, FloatDType, Tensor};

/// As float32 if it has fewer bits.
pub(super) fn wide<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if matches!(tensor.dtype(), DType::F16 | DType::BF16) { tensor.cast(FloatDType::F32) } else { tensor }
}

/// As numbers of a type.
pub(super) fn as_stored<const D: usize>(tensor: Tensor<D>, stored: DType) -> Tensor<D> {
    if tensor.dtype() == stored { tensor } else { tensor.cast(FloatDType::from(stored)) }
}
