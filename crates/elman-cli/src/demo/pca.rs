//! Principal component analysis.

use elman::burn::{
    linalg::svd,
    tensor::{Device, Tensor, TensorData},
};
use serde::Serialize;

/// Points on a plane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Map {
    /// The first two principal components of each point.
    pub points: Vec<[f64; 2]>,
    /// The shares of the variance that the two components explain.
    pub variance: [f64; 2],
}

/// Projects points onto their first two principal components, `X − mean = U S Vᵀ ↦ U S`. The signs are chosen so that
/// the first point has no negative coordinate.
///
/// # Shapes
/// `points`: at least two vectors of equal dimension, at least 2.
pub fn map(points: &[Vec<f64>], device: &Device) -> Map {
    /// The usual bound of the algorithm: 30 sweeps per singular value.
    const SWEEPS: usize = 30;
    let shape = [points.len(), points[0].len()];
    let values: Vec<f32> = points.iter().flatten().map(|x| *x as f32).collect();
    let points = Tensor::<2>::from_data(TensorData::new(values, shape), device);
    let (u, s, _) = svd::<2, 1>(points.clone() - points.mean_dim(0), SWEEPS);

    let read = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect::<Vec<f64>>();
    let squares = read(s.clone().powi_scalar(2).unsqueeze());
    let all = squares.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let flat = read((u * s.unsqueeze()).narrow(1, 0, 2));
    let signs = [0, 1].map(|axis| if flat[axis] < 0.0 { -1.0 } else { 1.0 });
    Map {
        points: flat.chunks_exact(2).map(|point| [point[0] * signs[0], point[1] * signs[1]]).collect(),
        variance: [squares[0] / all, squares[1] / all],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_projected_onto_their_principal_axes() {
        // around (1, 2, 5): ±5 along (0.6, 0.8, 0), ±2 along (−0.8, 0.6, 0), ±1 along (0, 0, 1)
        let offsets =
            [[3.0, 4.0, 0.0], [-3.0, -4.0, 0.0], [1.6, -1.2, 0.0], [-1.6, 1.2, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
        let points: Vec<Vec<f64>> = offsets.iter().map(|[x, y, z]| vec![1.0 + x, 2.0 + y, 5.0 + z]).collect();
        let map = map(&points, &Device::default());
        let expected = [[5.0, 0.0], [-5.0, 0.0], [0.0, 2.0], [0.0, -2.0], [0.0, 0.0], [0.0, 0.0]];
        // the sign of the second axis is arbitrary, since the first point's coordinate is 0
        let sign = map.points[2][1].signum();
        for (found, expected) in map.points.iter().zip(expected) {
            assert!((found[0] - expected[0]).abs() < 1e-5 && (sign * found[1] - expected[1]).abs() < 1e-5, "{map:?}");
        }
        // variances 50, 8 and 2
        assert!((map.variance[0] - 50.0 / 60.0).abs() < 1e-6 && (map.variance[1] - 8.0 / 60.0).abs() < 1e-6);
    }

    #[test]
    fn the_first_point_has_no_negative_coordinate() {
        for sign in [1.0, -1.0] {
            let points = [[3.0, 1.0], [-2.0, 0.5], [-1.0, -1.5]].map(|p| p.map(|x| sign * x).to_vec());
            let map = map(&points, &Device::default());
            assert!(map.points[0].iter().all(|x| *x >= 0.0), "{map:?}");
        }
    }
}
