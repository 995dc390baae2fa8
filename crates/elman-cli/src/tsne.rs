//! t-SNE: projects vectors onto a plane, with similar vectors near each other.

use bhtsne::{Neighbor, tSNE};
use elman::{
    burn::{
        linalg::qr,
        tensor::{Device, Tensor, TensorData},
    },
    index::nearest_neighbors,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::error::CliError;

/// The effective number of neighbors of each point; the usual perplexity.
const PERPLEXITY: usize = 30;
/// The accuracy of the Barnes-Hut approximation; the usual value.
const THETA: f32 = 0.5;
const EPOCHS: usize = 1000;
/// The learning rate is the number of points divided by this, but at least [`MIN_LEARNING_RATE`]. bhtsne's gradient has
/// a quarter of the usual length, and its gains are bounded: with its own rate, n / 48, it preserves half as many
/// neighbors as scikit-learn.
const LEARNING_RATE_DIVISOR: f32 = 4.0;
const MIN_LEARNING_RATE: f32 = 50.0;
/// Dimension of the subspace iteration, and the number of iterations.
const SUBSPACE_DIM: usize = 8;
const SUBSPACE_ITERATIONS: usize = 12;
/// Standard deviation of the initial points, and the range of the noise that separates equal points.
const INITIAL_STD: f64 = 1e-4;
const JITTER: f32 = 1e-6;

/// Projects vectors onto a plane by t-SNE (van der Maaten & Hinton 2008) on their cosines, with Barnes-Hut trees (van
/// der Maaten 2014). The initial points are the principal components, which preserves the global arrangement of groups
/// (Kobak & Berens 2019). Neighbors are exact; time O(n²·d + n·log n), memory O(n·d).
///
/// The sums over all points are computed on one thread, so that a seed always gives the same map.
///
/// # Shapes
/// `vectors`: `[n, dim]`, row-major, none of them zero.
pub fn project(vectors: &[f32], dim: usize, seed: u64) -> Result<Vec<[f32; 2]>, CliError> {
    let n = vectors.len() / dim;
    let neighbors = nearest_neighbors(vectors, dim, (3 * PERPLEXITY).min(n.saturating_sub(1)))?;
    if n < 2 {
        return Ok(vec![[0.0; 2]; n]);
    }
    let initial = initial_points(vectors, dim, seed);
    // t-SNE needs at least three neighbors
    if n < 4 {
        return Ok(initial);
    }
    // Squared distances, |a − b|² = 2 − 2·a·b, minus the smallest one of the point. The affinities do not change by
    // this, and bhtsne would lose exp(−|a − b|²/σ²) to underflow if all distances are large.
    let excess = |max_cosine: f32, cosine: f32| (2.0 * (max_cosine - cosine)).max(0.0).sqrt();
    let neighbors_of = |found: &Vec<(usize, f32)>| {
        found.iter().map(|&(index, cosine)| Neighbor { index, distance: excess(found[0].1, cosine) }).collect()
    };
    let neighbors: Vec<Vec<Neighbor<f32>>> = neighbors.iter().map(neighbors_of).collect();
    let rows: Vec<&[f32]> = vectors.chunks_exact(dim).collect();
    let single_thread =
        rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|source| CliError::Thread { source })?;
    let flat = single_thread.install(|| {
        let mut tsne: tSNE<'_, f32, &[f32]> = tSNE::new(&rows);
        tsne.perplexity((neighbors[0].len() / 3) as f32)
            .epochs(EPOCHS)
            .learning_rate((n as f32 / LEARNING_RATE_DIVISOR).max(MIN_LEARNING_RATE));
        tsne.initial_embedding(initial.concat());
        tsne.barnes_hut_with_neighbors(THETA, &neighbors).embedding()
    });
    Ok(flat.chunks_exact(2).map(|point| [point[0], point[1]]).collect())
}

/// The principal components scaled to [`INITIAL_STD`], with noise that separates equal points.
fn initial_points(vectors: &[f32], dim: usize, seed: u64) -> Vec<[f32; 2]> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let points = principal_components(vectors, dim, &mut rng);
    let std = (points.iter().map(|point| point[0].powi(2)).sum::<f64>() / points.len() as f64).sqrt();
    let scale = if std > 0.0 { INITIAL_STD / std } else { 0.0 };
    points.iter().map(|point| point.map(|x| (x * scale) as f32 + rng.random_range(-JITTER..JITTER))).collect()
}

/// The first two principal components of the normalized, centered vectors, approximated by subspace iteration (Halko,
/// Martinsson & Tropp 2011), which is accurate enough for initial points.
fn principal_components(vectors: &[f32], dim: usize, rng: &mut ChaCha12Rng) -> Vec<[f64; 2]> {
    let device = Device::default();
    let matrix = |values: Vec<f32>, columns: usize| {
        let shape = [values.len() / columns, columns];
        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
    };
    let unit = vectors.chunks_exact(dim).flat_map(|vector| {
        let norm = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // pads a single dimension to two
        let second = (dim == 1).then_some(0.0);
        vector.iter().map(move |&x| (f64::from(x) / norm) as f32).chain(second)
    });
    let dim = dim.max(2);
    let points = matrix(unit.collect(), dim);
    let points = points.clone() - points.mean_dim(0);
    let count = SUBSPACE_DIM.min(dim);
    let mut basis = matrix((0..dim * count).map(|_| rng.random_range(-1.0..1.0)).collect(), count);
    for _ in 0..SUBSPACE_ITERATIONS {
        let projected = points.clone().matmul(basis);
        basis = qr(points.clone().transpose().matmul(projected), true).0;
    }
    let flat: Vec<f64> = points.matmul(basis.narrow(1, 0, 2)).into_data().iter().collect();
    // nearly equal points can make QR divide by zero; zeros are valid initial points, too
    let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
    flat.chunks_exact(2).map(|point| [finite(point[0]), finite(point[1])]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` directions, each near one of the first `groups` axes.
    fn groups(n: usize, groups: usize) -> Vec<f32> {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        let mut row = |n: usize| -> Vec<f32> {
            (0..12).map(|axis| if axis == n % groups { 1.0 } else { rng.random_range(-0.1..0.1) }).collect()
        };
        (0..n).flat_map(&mut row).collect()
    }

    #[test]
    fn neighbors_stay_neighbors_on_the_plane() {
        let (vectors, n) = (groups(400, 4), 400);
        let points = project(&vectors, 12, 1).unwrap();
        assert_eq!(points, project(&vectors, 12, 1).unwrap(), "same seed, same map");
        assert_ne!(points, project(&vectors, 12, 2).unwrap());
        let distance = |a: usize, b: usize| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]);
        for a in 0..n {
            let nearest =
                (0..n).filter(|&b| b != a).min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c))).unwrap();
            assert_eq!(a % 4, nearest % 4, "the point nearest to {a} is {nearest}");
        }
    }

    /// The share of each vector's ten nearest neighbors that are among its ten nearest points, on average.
    fn recall(vectors: &[f32], dim: usize, points: &[[f32; 2]]) -> f64 {
        let nearest_points = |n: usize| {
            let distance = |m: usize| (points[n][0] - points[m][0]).hypot(points[n][1] - points[m][1]);
            let mut others: Vec<usize> = (0..points.len()).filter(|&m| m != n).collect();
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            others[..10].to_vec()
        };
        let nearest = nearest_neighbors(vectors, dim, 10).unwrap();
        let common = |(n, found): (usize, &Vec<(usize, f32)>)| {
            let near = nearest_points(n);
            found.iter().filter(|(other, _)| near.contains(other)).count()
        };
        nearest.iter().enumerate().map(common).sum::<usize>() as f64 / (10 * points.len()) as f64
    }

    /// The output of `tests/golden/tsne.py`.
    #[derive(serde::Deserialize)]
    struct Golden {
        #[serde(rename = "kept")]
        recall: f64,
    }

    /// The same sentences as in the tests of clustering.
    #[derive(serde::Deserialize)]
    struct Sentences {
        vectors: Vec<Vec<f32>>,
    }

    #[test]
    fn recall_of_neighbors_is_near_that_of_scikit_learn() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/tsne.json")).unwrap();
        let sentences = include_str!("../../elman-index/tests/golden/clusters.json");
        let vectors = serde_json::from_str::<Sentences>(sentences).unwrap().vectors.concat();
        let found = recall(&vectors, 32, &project(&vectors, 32, 1).unwrap());
        println!("recall {found:.3}, scikit-learn {:.3}", golden.recall);
        assert!(found > 0.9 * golden.recall, "{found} {}", golden.recall);
    }

    #[test]
    fn principal_components_have_the_greatest_variance() {
        // around (1, 1, 1): large variance along (1, −1, 0), less along (1, 1, −2)
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let coordinates: Vec<[f32; 2]> =
            (0..200).map(|_| [rng.random_range(-0.3..0.3), rng.random_range(-0.05..0.05)]).collect();
        let vectors: Vec<f32> =
            coordinates.iter().flat_map(|[a, b]| [1.0 + a + b, 1.0 - a + b, 1.0 - 2.0 * b]).collect();
        let found = principal_components(&vectors, 3, &mut rng);
        for axis in [0, 1] {
            let product: f64 =
                found.iter().zip(&coordinates).map(|(found, point)| found[axis] * f64::from(point[axis])).sum();
            let norm = |values: Vec<f64>| values.iter().map(|x| x * x).sum::<f64>().sqrt();
            let (a, b) = (found.iter().map(|p| p[axis]), coordinates.iter().map(|p| p[axis].into()));
            let correlation = product / (norm(a.collect()) * norm(b.collect()));
            // not exact: normalization projects the points onto the sphere
            assert!(correlation.abs() > 0.97, "{axis}: {correlation}");
        }
    }

    #[test]
    fn few_or_equal_vectors_are_projected() {
        assert_eq!(project(&[], 3, 1).unwrap(), Vec::<[f32; 2]>::new());
        for n in 1..40 {
            for vectors in [groups(n, 3), groups(12, 3)[..12].repeat(n), groups(2, 2).repeat(n)] {
                let points = project(&vectors, 12, 1).unwrap();
                assert_eq!(points.len(), vectors.len() / 12);
                assert!(points.iter().flatten().all(|x| x.is_finite()), "{n}: {points:?}");
            }
        }
        assert!(project(&[1.0, 2.0, -1.0, 3.0, -0.5], 1, 1).unwrap().iter().flatten().all(|x| x.is_finite()));
    }
}
