use burn::tensor::Tensor;

/// Added to the variance by layer normalization; PyTorch's default.
pub(crate) const EPSILON: f64 = 1e-5;

/// Layer normalization over the last axis, without gain and bias (Ba et al. 2016, eq. 20).
pub(super) fn normalize<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let centered = x.clone() - x.mean_dim(D - 1);
    let variance = centered.clone().square().mean_dim(D - 1);
    centered / (variance + EPSILON).sqrt()
}
