//! Principal components: the flat map that shows most of how points differ.

use elman::burn::{
    linalg::{qr, svd},
    tensor::{Device, Tensor, TensorData},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};
use serde::Serialize;

/// Points on a plane.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Map {
    /// Where each point is: its first two principal components.
    pub points: Vec<[f64; 2]>,
    /// The shares of the points' variance that the two components have.
    pub variance: [f64; 2],
}

/// Matrices that are smaller one way are decomposed whole: those of some dozen points.
const WHOLE: usize = 48;
/// Others are first seen along so many directions, which hold the greatest part of the variance.
const DIRECTIONS: usize = 16;
/// How often these are turned towards it.
const TURNS: usize = 12;

/// Projects points onto their first two principal components, `X − mean = U S Vᵀ ↦ U S`. Signs are such that the first
/// point has no negative coordinate.
///
/// Many points of many dimensions are first projected onto the subspace that a few turns of subspace iteration find
/// (Halko, Martinsson & Tropp 2011), where the components are near to the exact ones.
///
/// # Shapes
/// `points`: `[n, d]`, at least two of each.
pub fn map(points: Tensor<2>) -> Map {
    /// Enough for any matrix of this kind, says the algorithm's usual bound of 30 sweeps per singular value.
    const SWEEPS: usize = 30;
    let read = |tensor: Tensor<2>| tensor.into_data().iter::<f64>().collect::<Vec<f64>>();
    let points = points.clone() - points.mean_dim(0);
    let all = read(points.clone().powi_scalar(2).sum().unsqueeze())[0].max(f64::MIN_POSITIVE);
    let [n, d] = points.dims();
    let (u, s, _) = svd::<2, 1>(if n.min(d) < WHOLE { points } else { project(points) }, SWEEPS);

    let squares = read(s.clone().powi_scalar(2).unsqueeze());
    let flat = read((u * s.unsqueeze()).narrow(1, 0, 2));
    let signs = [0, 1].map(|axis| if flat[axis] < 0.0 { -1.0 } else { 1.0 });
    Map {
        points: flat.chunks_exact(2).map(|point| [point[0] * signs[0], point[1] * signs[1]]).collect(),
        variance: [squares[0] / all, squares[1] / all],
    }
}

/// Rows as numbers, `[rows, width]`.
pub fn tensor(rows: impl IntoIterator<Item = f32>, width: usize, device: &Device) -> Tensor<2> {
    let values: Vec<f32> = rows.into_iter().collect();
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Centred points in coordinates of the subspace that holds the greatest part of their variance.
fn project(points: Tensor<2>) -> Tensor<2> {
    let width = points.dims()[1];
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let begin = std::iter::repeat_with(|| rng.random_range(-1.0..1.0)).take(width * DIRECTIONS);
    let mut directions = tensor(begin, DIRECTIONS, &points.device());
    for _ in 0..TURNS {
        let seen = points.clone().matmul(directions);
        directions = qr(points.clone().transpose().matmul(seen), true).0;
    }
    points.matmul(directions)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(points: &[Vec<f64>]) -> Map {
        let values = points.iter().flatten().map(|&x| x as f32);
        super::map(tensor(values, points[0].len(), &Device::default()))
    }

    #[test]
    fn points_are_turned_onto_their_longest_axes() {
        // around (1, 2, 5): ±5 along (0.6, 0.8, 0), ±2 along (−0.8, 0.6, 0), ±1 along (0, 0, 1)
        let offsets =
            [[3.0, 4.0, 0.0], [-3.0, -4.0, 0.0], [1.6, -1.2, 0.0], [-1.6, 1.2, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, -1.0]];
        let points: Vec<Vec<f64>> = offsets.iter().map(|[x, y, z]| vec![1.0 + x, 2.0 + y, 5.0 + z]).collect();
        let map = map(&points);
        let expected = [[5.0, 0.0], [-5.0, 0.0], [0.0, 2.0], [0.0, -2.0], [0.0, 0.0], [0.0, 0.0]];
        // the second axis has no sign of its own: the first point is on neither side
        let sign = map.points[2][1].signum();
        for (found, expected) in map.points.iter().zip(expected) {
            assert!((found[0] - expected[0]).abs() < 1e-5 && (sign * found[1] - expected[1]).abs() < 1e-5, "{map:?}");
        }
        // variances 50, 8 and 2
        assert!((map.variance[0] - 50.0 / 60.0).abs() < 1e-6 && (map.variance[1] - 8.0 / 60.0).abs() < 1e-6);
    }

    #[test]
    fn the_first_point_has_no_negative_coordinate() {
        for turn in [1.0, -1.0] {
            let points = [[3.0, 1.0], [-2.0, 0.5], [-1.0, -1.5]].map(|p| p.map(|x| turn * x).to_vec());
            let map = map(&points);
            assert!(map.points[0].iter().all(|x| *x >= 0.0), "{map:?}");
        }
    }

    #[test]
    fn many_points_of_many_dimensions_are_seen_as_exactly() {
        // variances fall by a third from axis to axis
        let mut rng = ChaCha12Rng::seed_from_u64(7);
        let mut row = || (0..60).map(|axis| rng.random_range(-1.0..1.0) * 0.8f64.powi(axis)).collect::<Vec<f64>>();
        let points: Vec<Vec<f64>> = (0..300).map(|_| row()).collect();
        let found = map(&points);
        let values = points.iter().flatten().map(|&x| x as f32);
        let centred = tensor(values, 60, &Device::default());
        let centred = centred.clone() - centred.mean_dim(0);
        let (_, s, _) = svd::<2, 1>(centred, 30);
        let squares: Vec<f64> = s.powi_scalar(2).into_data().iter::<f64>().collect();
        let all: f64 = squares.iter().sum();
        for (share, square) in found.variance.iter().zip(&squares) {
            assert!((share - square / all).abs() < 1e-4, "{share} {}", square / all);
        }
        let mean = |axis: usize| found.points.iter().map(|point| point[axis]).sum::<f64>() / 300.0;
        assert!(mean(0).abs() < 1e-4 && mean(1).abs() < 1e-4);
    }

    #[test]
    fn points_that_are_the_same_are_at_one_place() {
        for (n, d) in [(2, 2), (5, 3), (100, 64)] {
            let map = map(&vec![vec![0.25; d]; n]);
            assert!(map.points.iter().flatten().all(|x| x.abs() < 1e-6), "{n} {d}: {map:?}");
        }
    }
}
