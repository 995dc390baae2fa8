use std::sync::Arc;

use burn::tensor::Tensor;
use elman_cpu::{Isa, LayerNorm, LayerWeights, PackedLayer, WeightDtype};

use super::{PackError, Packed, Weights};
use crate::{
    cell::Cell,
    scan::{EPSILON, InputWeights, RecurrentWeights, cpu_kernel},
    stack::DirectionWeights,
};

/// Packs layers, `[layer][direction]`. `zoneout` has the rates of zoneout.
pub(crate) fn pack<C: Cell>(
    cell: &C,
    layers: Vec<Vec<DirectionWeights>>,
    zoneout: Option<[f64; 2]>,
    dtype: WeightDtype,
) -> Result<Packed, PackError> {
    let has_projection = layers[0][0].weight_hr.is_some();
    let kernel = cpu_kernel(cell).filter(|kernel| !has_projection || kernel.has_projection());
    let kernel = kernel.ok_or_else(|| PackError::NoKernel { cell: format!("{cell:?}") })?;
    let (hidden, output) = layers[0][0].widths::<C>();
    let pack_direction = |layer: usize, reverse: bool, direction: DirectionWeights| {
        let (InputWeights { weights, bias, gain }, recurrent) = direction.split(cell);
        let width = weights.dims()[1];
        let (input, input_bias, input_gain) = (to_vec_f32(weights), bias.map(to_vec_f32), gain.map(to_vec_f32));
        let (recurrent, recurrent_bias, projection, recurrent_gain) = match recurrent {
            Some(RecurrentWeights { hidden, bias, projection, gain }) => {
                (to_vec_f32(hidden), bias.map(to_vec_f32), projection.map(to_vec_f32), gain.map(to_vec_f32))
            }
            None => (vec![], None, None, None),
        };
        if dtype == WeightDtype::Int8 {
            let all =
                [("weight_ih", Some(&input)), ("weight_hh", Some(&recurrent)), ("weight_hr", projection.as_ref())];
            for (weights, values) in all {
                if !values.is_none_or(|values| values.iter().all(|value| value.is_finite())) {
                    return Err(PackError::NotFinite { weights, layer, dtype });
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
        Ok(Arc::new(PackedLayer::new(kernel.clone(), Isa::best(), dtype, reverse, weights)))
    };
    let layer = |(l, directions): (usize, Vec<DirectionWeights>)| {
        directions.into_iter().enumerate().map(|(d, direction)| pack_direction(l, d == 1, direction)).collect()
    };
    let layers = layers.into_iter().enumerate().map(layer).collect::<Result<_, _>>()?;
    let widths = (0..C::STATES).map(|n| if n == 0 { output } else { hidden }).collect();
    Ok(Packed(Arc::new(Weights { layers, read_out: None, widths })))
}

/// The values of a tensor in row-major order, as f32.
pub(crate) fn to_vec_f32<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
