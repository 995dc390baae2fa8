//! The fused loss, on devices with kernels for it.

use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor},
};

use super::extension::{Bias, OutputLoss};
use crate::{cpu::is_cpu, device::is_cube};

/// Whether there is a kernel for these tensors.
pub(super) fn is_supported(hidden: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> bool {
    let device = hidden.device();
    let bias_is_f32 = bias.is_none_or(|bias| bias.dtype() == DType::F32);
    [hidden.dtype(), weight.dtype()] == [DType::F32; 2] && bias_is_f32 && (is_cpu(&device) || is_cube(&device))
}

/// The mean loss of [supported](is_supported) tensors.
pub(super) fn loss(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
) -> Tensor<1> {
    Tensor::from_dispatch(<Dispatch as OutputLoss>::output_loss(
        targets.into_dispatch(),
        hidden.into_dispatch(),
        weight.into_dispatch(),
        bias.map_or(Bias::None, |bias| Bias::Some(bias.into_dispatch())),
    ))
}
