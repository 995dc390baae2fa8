//! The loss on a processor: the kernel of `elman-cpu` as an operation that burn differentiates.

#[allow(deprecated)] // burn deprecates NdArray; elman supports it
mod extension;

use burn::{
    backend::Dispatch,
    tensor::{DType, Int, Tensor},
};

use self::extension::{OutputLoss, Targets};
use crate::host::is_host;

/// Whether the kernel can do this.
pub(super) fn fits(hidden: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> bool {
    let bias_fits = bias.is_none_or(|bias| bias.dtype() == DType::F32);
    [hidden.dtype(), weight.dtype()] == [DType::F32; 2] && bias_fits && is_host(&hidden.device())
}

/// The mean loss, where that [fits].
pub(super) fn loss(
    hidden: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    targets: Tensor<1, Int>,
) -> Tensor<1> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([weight.dims()[1]], &hidden.device()));
    let beyond = usize::MAX; // no class, which the kernel says
    let targets: Targets =
        targets.into_data().iter::<i64>().map(|target| target.try_into().unwrap_or(beyond)).collect();
    let loss = <Dispatch as OutputLoss>::output_loss(
        targets,
        hidden.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
    );
    Tensor::from_dispatch(loss)
}
