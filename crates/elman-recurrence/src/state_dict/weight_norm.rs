use burn::{
    store::{
        bridge,
        burn_pack::{Error, Tensor},
    },
    tensor::{DType, Shape, TensorData},
};

/// The weight that `torch.nn.utils.weight_norm` computes from its magnitude g and direction v: g·v/‖v‖, with one norm
/// for each element of g. `None` if the shapes do not match.
pub(super) fn weight(magnitude: &Tensor, direction: &Tensor) -> Option<Tensor> {
    let (g_shape, shape) = (magnitude.shape.to_vec(), direction.shape.to_vec());
    let fits = g_shape.len() == shape.len() && g_shape.iter().zip(&shape).all(|(g, d)| g == d || *g == 1);
    if !fits && !g_shape.is_empty() {
        return None;
    }
    let (magnitude, direction, outer) = (magnitude.clone(), direction.clone(), Shape::from(shape.clone()));
    Some(bridge::deferred(String::new(), DType::F32, outer, None, move || {
        let (g, v) = (values(&magnitude)?, values(&direction)?);
        Ok(TensorData::new(scaled(&g, &g_shape, &v, &shape), shape.clone()))
    }))
}

fn values(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    Ok(bridge::to_data(tensor)?.iter::<f64>().collect())
}

/// g·v/‖v‖, computed in f64 and rounded to f32; g and v in row-major order.
fn scaled(g: &[f64], g_shape: &[usize], v: &[f64], shape: &[usize]) -> Vec<f32> {
    // the index in g of an element of v
    let g_index = |index: usize| {
        let (mut g_index, mut rest, mut stride) = (0, index, 1);
        for (&size, &g_size) in shape.iter().zip(g_shape).rev() {
            if g_size > 1 {
                g_index += rest % size * stride;
                stride *= g_size;
            }
            rest /= size;
        }
        g_index
    };
    let mut norms = vec![0.0; g.len()];
    v.iter().enumerate().for_each(|(n, v)| norms[g_index(n)] += v * v);
    let factors: Vec<f64> = g.iter().zip(&norms).map(|(g, square)| g / square.sqrt()).collect();
    v.iter().enumerate().map(|(n, v)| (v * factors[g_index(n)]) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_over_the_elements_that_a_magnitude_scales() {
        let v = [3.0, 4.0, 0.0, 2.0];
        assert_eq!(scaled(&[10.0, 1.0], &[2, 1], &v, &[2, 2]), [6.0, 8.0, 0.0, 1.0]);
        assert_eq!(scaled(&[6.0, 20f64.sqrt()], &[1, 2], &v, &[2, 2]), [6.0, 4.0, 0.0, 2.0]);
        let all = scaled(&[29f64.sqrt()], &[], &v, &[2, 2]);
        assert_eq!(all, [3.0, 4.0, 0.0, 2.0]);
    }
}
