//! The loss as one operation, on devices that have kernels for it.

use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor},
};

use super::extension::{Bias, OutputLoss};
use crate::{cpu::is_cpu, device::is_cube};

/// Whether a kernel can do this.
pub(super) fn fits(hidden: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> bool {
    let device = hidden.device();
    let bias_fits = bias.is_none_or(|bias| bias.dtype() == DType::F32);
    [hidden.dtype(), weight.dtype()] == [DType::F32; 2] && bias_fits && (is_cpu(&device) || is_cube(&device))
}

/// The mean loss, where that [fits].
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
        bias.map_or(Bias::None, |bias| Bias::Of(bias.into_dispatch())),
    ))
}
