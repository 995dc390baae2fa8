use std::sync::Arc;

use burn::tensor::Tensor;
use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, WeightDtype};

use super::{PackError, Packed, Weights};
use crate::{
    cell::Cell,
    scan::{EPSILON, InputWeights, RecurrentWeights, kernel_of},
    stack::Direction,
};

/// Packs layers, `[layer][direction]`. `zoneout` are its rates.
pub(crate) fn pack<C: Cell>(
    cell: &C,
    layers: Vec<Vec<Direction>>,
    zoneout: Option<[f64; 2]>,
    precision: WeightDtype,
) -> Result<Packed, PackError> {
    let has_projection = layers[0][0].weight_hr.is_some();
    let kernel = kernel_of(cell).filter(|kernel| !has_projection || kernel.has_projection());
    let kernel = kernel.ok_or_else(|| PackError::NoKernel { cell: format!("{cell:?}") })?;
    let (hidden, output) = layers[0][0].widths::<C>();
    let one = |layer: usize, reverse: bool, direction: Direction| {
        let (InputWeights { weights, bias, gain }, recurrent) = direction.split(cell);
        let width = weights.dims()[1];
        let (input, input_bias, input_gain) = (numbers(weights), bias.map(numbers), gain.map(numbers));
        let (recurrent, recurrent_bias, projection, recurrent_gain) = match recurrent {
            Some(RecurrentWeights { hidden, bias, projection, gain }) => {
                (numbers(hidden), bias.map(numbers), projection.map(numbers), gain.map(numbers))
            }
            None => (vec![], None, None, None),
        };
        if precision == WeightDtype::Int8 {
            let all =
                [("weight_ih", Some(&input)), ("weight_hh", Some(&recurrent)), ("weight_hr", projection.as_ref())];
            for (weights, values) in all {
                if !values.is_none_or(|values| values.iter().all(|value| value.is_finite())) {
                    return Err(PackError::NotFinite { weights, layer, precision });
                }
            }
        }
        fn norm(gain: &Option<Vec<f32>>) -> Option<LayerNorm<'_>> {
            gain.as_ref().map(|gain| LayerNorm { gain, epsilon: EPSILON as f32 })
        }
        let weights = LayerWeights {
            width,
            hidden,
            output,
            input: &input,
            input_bias: input_bias.as_deref(),
            input_norm: norm(&input_gain),
            recurrent: &recurrent,
            recurrent_bias: recurrent_bias.as_deref(),
            recurrent_norm: norm(&recurrent_gain),
            projection: projection.as_deref(),
            zoneout: zoneout.map(|rates| rates.map(|rate| rate as f32)),
        };
        Ok(Arc::new(PackedLayer::new(kernel.clone(), Isa::best(), precision, reverse, weights)))
    };
    let layer = |(l, directions): (usize, Vec<Direction>)| {
        directions.into_iter().enumerate().map(|(d, direction)| one(l, d == 1, direction)).collect()
    };
    let layers = layers.into_iter().enumerate().map(layer).collect::<Result<_, _>>()?;
    let widths = (0..C::STATES).map(|n| if n == 0 { output } else { hidden }).collect();
    Ok(Packed(Arc::new(Weights { layers, read_out: None, widths })))
}

/// A tensor's numbers in row-major order, as float32.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
