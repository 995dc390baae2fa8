use burn::tensor::Tensor;

use super::{
    Active,
    dtype::{at_least_f32, cast_to},
    norm::normalize,
};

/// The weights of the input projection.
#[derive(Clone, Debug)]
pub(crate) struct InputWeights {
    /// `[G·H, I]`
    pub weights: Tensor<2>,
    /// `[G·H]`
    pub bias: Option<Tensor<1>>,
    /// The gain of layer normalization, `[G·H]`.
    pub gain: Option<Tensor<1>>,
}

/// The input projection of all time steps as one matrix product: `x W_ihᵀ + b_ih`, or `LN(x W_ihᵀ) ⊙ g_ih + b_ih`.
///
/// `x` is `[T, B, I]`, the result `[T, B, G·H]`. The input of ended rows, even NaN, affects neither values nor
/// gradients.
pub(crate) fn input_projection(x: Tensor<3>, weights: InputWeights, active: Option<&Active>) -> Tensor<3> {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if super::kernels::supports_input_projection(&x, &weights) {
        return super::kernels::input_projection(x, weights, active);
    }
    let InputWeights { weights, bias, gain } = weights;
    let x = zero_ended(x, active);
    let [time, batch, width] = x.dims();
    let gates = weights.dims()[0];
    let mut product = x.reshape([time * batch, width]).matmul(weights.transpose());
    let dtype = product.dtype();
    if let Some(gain) = gain {
        product = normalize(at_least_f32(product)) * at_least_f32(gain).unsqueeze();
    }
    if let Some(bias) = bias {
        let bias = cast_to(bias, product.dtype());
        product = product + bias.unsqueeze();
    }
    cast_to(product, dtype).reshape([time, batch, gates])
}

/// Fills ended rows with zeros.
pub(crate) fn zero_ended(x: Tensor<3>, active: Option<&Active>) -> Tensor<3> {
    match active {
        None => x,
        Some(active) => {
            let shape = x.dims();
            x.mask_fill(active.mask.clone().bool_not().expand(shape), 0.0)
        }
    }
}
