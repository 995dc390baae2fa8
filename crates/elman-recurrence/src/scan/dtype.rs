//! f16 and bf16 are storage dtypes; sums are computed in f32.

use burn::tensor::{DType, FloatDType, Tensor};

/// Casts f16 and bf16 to f32; other dtypes are unchanged.
pub(super) fn at_least_f32<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    if matches!(tensor.dtype(), DType::F16 | DType::BF16) { tensor.cast(FloatDType::F32) } else { tensor }
}

/// Casts to a float dtype, if necessary.
pub(super) fn cast_to<const D: usize>(tensor: Tensor<D>, dtype: DType) -> Tensor<D> {
    if tensor.dtype() == dtype { tensor } else { tensor.cast(FloatDType::from(dtype)) }
}
