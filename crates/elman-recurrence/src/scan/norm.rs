use burn::tensor::Tensor;

/// What layer normalisation adds to the variance; PyTorch's.
pub(crate) const EPSILON: f64 = 1e-5;

/// Layer normalisation over the last axis, without a gain (Ba et al. 2016, eq. 20).
pub(super) fn normalise<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let off = x.clone() - x.mean_dim(D - 1);
    let variance = off.clone().square().mean_dim(D - 1);
    off / (variance + EPSILON).sqrt()
}
