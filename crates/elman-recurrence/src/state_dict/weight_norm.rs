use burn::{
    store::{
        bridge,
        burn_pack::{Error, Tensor},
    },
    tensor::{DType, Shape, TensorData},
};

/// The weight that `torch.nn.utils.weight_norm` computes of its magnitude g and its direction v: g·v/‖v‖, with a norm for
/// each place of g. `None` where the shapes are not those of such a pair.
pub(super) fn weight(magnitude: &Tensor, direction: &Tensor) -> Option<Tensor> {
    let (places, shape) = (magnitude.shape.to_vec(), direction.shape.to_vec());
    let fits = places.len() == shape.len() && places.iter().zip(&shape).all(|(p, d)| p == d || *p == 1);
    if !fits && !places.is_empty() {
        return None;
    }
    let (magnitude, direction, outer) = (magnitude.clone(), direction.clone(), Shape::from(shape.clone()));
    Some(bridge::deferred(String::new(), DType::F32, outer, None, move || {
        let (g, v) = (values(&magnitude)?, values(&direction)?);
        Ok(TensorData::new(scaled(&g, &places, &v, &shape), shape.clone()))
    }))
}

fn values(tensor: &Tensor) -> Result<Vec<f64>, Error> {
    Ok(bridge::to_data(tensor)?.iter::<f64>().collect())
}

/// g·v/‖v‖ in float64, rounded to float32; both in row-major order.
fn scaled(g: &[f64], places: &[usize], v: &[f64], shape: &[usize]) -> Vec<f32> {
    let place = |index: usize| {
        let (mut place, mut rest, mut size) = (0, index, 1);
        for (&extent, &of_g) in shape.iter().zip(places).rev() {
            if of_g > 1 {
                place += rest % extent * size;
                size *= of_g;
            }
            rest /= extent;
        }
        place
    };
    let mut norms = vec![0.0; g.len()];
    v.iter().enumerate().for_each(|(n, v)| norms[place(n)] += v * v);
    let factors: Vec<f64> = g.iter().zip(&norms).map(|(g, square)| g / square.sqrt()).collect();
    v.iter().enumerate().map(|(n, v)| (v * factors[place(n)]) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_norm_is_taken_over_all_that_a_magnitude_scales() {
        let v = [3.0, 4.0, 0.0, 2.0];
        assert_eq!(scaled(&[10.0, 1.0], &[2, 1], &v, &[2, 2]), [6.0, 8.0, 0.0, 1.0]);
        assert_eq!(scaled(&[6.0, 20f64.sqrt()], &[1, 2], &v, &[2, 2]), [6.0, 4.0, 0.0, 2.0]);
        let all = scaled(&[29f64.sqrt()], &[], &v, &[2, 2]);
        assert_eq!(all, [3.0, 4.0, 0.0, 2.0]);
    }
}
