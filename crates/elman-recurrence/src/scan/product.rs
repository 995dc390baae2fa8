use burn::tensor::Tensor;

use super::{
    Active,
    norm::normalise,
    stored::{as_stored, wide},
};

/// The weights that the input is multiplied with.
#[derive(Clone, Debug)]
pub(crate) struct InputWeights {
    /// `[G·H, I]`
    pub weights: Tensor<2>,
    /// `[G·H]`
    pub bias: Option<Tensor<1>>,
    /// The gain of layer normalisation, `[G·H]`.
    pub gain: Option<Tensor<1>>,
}

/// The input product of all time steps as one matrix product: `x W_ihᵀ + b_ih`, or `LN(x W_ihᵀ) ⊙ g_ih + b_ih`.
///
/// `x` is `[T, B, I]`, the product `[T, B, G·H]`. What rows that have ended hold, be it NaN, reaches neither values nor
/// gradients.
pub(crate) fn input_product(x: Tensor<3>, with: InputWeights, active: Option<&Active>) -> Tensor<3> {
    #[cfg(any(feature = "flex", feature = "ndarray"))]
    if super::kernels::product_fits(&x, &with) {
        return super::kernels::input_product(x, with, active);
    }
    let x = zero_ended(x, active);
    let [time, batch, width] = x.dims();
    let rows = with.weights.dims()[0];
    let mut product = x.reshape([time * batch, width]).matmul(with.weights.transpose());
    let stored = product.dtype();
    if let Some(gain) = with.gain {
        product = normalise(wide(product)) * wide(gain).unsqueeze();
    }
    if let Some(bias) = with.bias {
        let bias = as_stored(bias, product.dtype());
        product = product + bias.unsqueeze();
    }
    as_stored(product, stored).reshape([time, batch, rows])
}

/// Zeros where a row has ended.
pub(crate) fn zero_ended(x: Tensor<3>, active: Option<&Active>) -> Tensor<3> {
    match active {
        None => x,
        Some(active) => {
            let shape = x.dims();
            x.mask_fill(active.mask.clone().bool_not().expand(shape), 0.0)
        }
    }
}
