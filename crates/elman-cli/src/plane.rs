//! Vectors as points on a plane, those that are alike near to each other.

use bhtsne::{Neighbor, tSNE};
use elman::{
    burn::{
        linalg::qr,
        tensor::{Device, Tensor, TensorData},
    },
    index::nearest_neighbours,
};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::error::CliError;

/// How many neighbours each point attends to, about: the usual perplexity.
const PERPLEXITY: usize = 30;
/// The trade of exactness for speed that Barnes-Hut trees make: the usual one.
const THETA: f32 = 0.5;
const EPOCHS: usize = 1000;
/// The step is the number of points by this, or the least. bhtsne's gradient has a quarter of the usual length and its gains
/// are bounded: with its own step, n / 48, neighbours come together half as often as by scikit-learn.
const STEP: f32 = 4.0;
const LEAST_STEP: f32 = 50.0;
/// Directions among which those of greatest variance are sought, and how often they are turned towards them.
const DIRECTIONS: usize = 8;
const TURNS: usize = 12;
/// The spread of the points at the beginning, and of what parts those that are at one place.
const BEGIN: f64 = 1e-4;
const JITTER: f32 = 1e-6;

/// A place for each vector, by t-SNE (van der Maaten & Hinton 2008) on the cosines, with Barnes-Hut trees (van der Maaten
/// 2014). It begins from the principal components, which puts groups where they are relative to each other (Kobak & Berens
/// 2019). Exact neighbours; time O(n²·d + n·log n), memory O(n·d).
///
/// The sums over all points are done on one thread, so that one seed gives one map.
///
/// # Shapes
/// `vectors`: `[n, d_embed]`, row by row, with no vector that is zero.
pub fn map(vectors: &[f32], d_embed: usize, seed: u64) -> Result<Vec<[f32; 2]>, CliError> {
    let n = vectors.len() / d_embed;
    let neighbours = nearest_neighbours(vectors, d_embed, (3 * PERPLEXITY).min(n.saturating_sub(1)))?;
    if n < 2 {
        return Ok(vec![[0.0; 2]; n]);
    }
    let begin = begin(vectors, d_embed, seed);
    // too few to have three neighbours, which t-SNE needs
    if n < 4 {
        return Ok(begin);
    }
    // Squared distances, |a − b|² = 2 − 2·a·b, by how much they exceed the least of the point. What attends to what depends on
    // nothing else, and where all are far, bhtsne would lose exp(−|a − b|²/σ²) below the precision of its numbers.
    let beyond = |least: f32, cosine: f32| (2.0 * (least - cosine)).max(0.0).sqrt();
    let of_one = |found: &Vec<(usize, f32)>| {
        found.iter().map(|&(index, cosine)| Neighbor { index, distance: beyond(found[0].1, cosine) }).collect()
    };
    let neighbours: Vec<Vec<Neighbor<f32>>> = neighbours.iter().map(of_one).collect();
    let rows: Vec<&[f32]> = vectors.chunks_exact(d_embed).collect();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|source| CliError::Thread { source })?;
    let flat = alone.install(|| {
        let mut tsne: tSNE<'_, f32, &[f32]> = tSNE::new(&rows);
        tsne.perplexity((neighbours[0].len() / 3) as f32)
            .epochs(EPOCHS)
            .learning_rate((n as f32 / STEP).max(LEAST_STEP));
        tsne.initial_embedding(begin.concat());
        tsne.barnes_hut_with_neighbors(THETA, &neighbours).embedding()
    });
    Ok(flat.chunks_exact(2).map(|point| [point[0], point[1]]).collect())
}

/// The directions of greatest variance, small, with a little chance that parts what is the same.
fn begin(vectors: &[f32], d_embed: usize, seed: u64) -> Vec<[f32; 2]> {
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    let points = flattened(vectors, d_embed, &mut rng);
    let spread = (points.iter().map(|point| point[0].powi(2)).sum::<f64>() / points.len() as f64).sqrt();
    let scale = if spread > 0.0 { BEGIN / spread } else { 0.0 };
    points.iter().map(|point| point.map(|x| (x * scale) as f32 + rng.random_range(-JITTER..JITTER))).collect()
}

/// The directions of vectors, from their mean along the two directions of greatest variance, as subspace iteration finds them
/// (Halko, Martinsson & Tropp 2011): near enough to the principal components to begin from.
fn flattened(vectors: &[f32], d_embed: usize, rng: &mut ChaCha12Rng) -> Vec<[f64; 2]> {
    let device = Device::default();
    let matrix = |values: Vec<f32>, width: usize| {
        let shape = [values.len() / width, width];
        Tensor::<2>::from_data(TensorData::new(values, shape), &device)
    };
    let unit = vectors.chunks_exact(d_embed).flat_map(|vector| {
        let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // one dimension is a plane's, too
        let second = (d_embed == 1).then_some(0.0);
        vector.iter().map(move |&x| (f64::from(x) / length) as f32).chain(second)
    });
    let width = d_embed.max(2);
    let points = matrix(unit.collect(), width);
    let points = points.clone() - points.mean_dim(0);
    let count = DIRECTIONS.min(width);
    let mut directions = matrix((0..width * count).map(|_| rng.random_range(-1.0..1.0)).collect(), count);
    for _ in 0..TURNS {
        let seen = points.clone().matmul(directions);
        directions = qr(points.clone().transpose().matmul(seen), true).0;
    }
    let flat: Vec<f64> = points.matmul(directions.narrow(1, 0, 2)).into_data().iter().collect();
    // points that hardly differ may leave nothing to divide by; it is a beginning only, and chance is one, too
    let finite = |x: f64| if x.is_finite() { x } else { 0.0 };
    flat.chunks_exact(2).map(|point| [finite(point[0]), finite(point[1])]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` directions, about one of `bundles` axes each.
    fn bundles(n: usize, bundles: usize) -> Vec<f32> {
        let mut rng = ChaCha12Rng::seed_from_u64(5);
        let mut row = |n: usize| -> Vec<f32> {
            (0..12).map(|axis| if axis == n % bundles { 1.0 } else { rng.random_range(-0.1..0.1) }).collect()
        };
        (0..n).flat_map(&mut row).collect()
    }

    #[test]
    fn neighbours_are_neighbours_on_the_plane() {
        let (vectors, n) = (bundles(400, 4), 400);
        let points = map(&vectors, 12, 1).unwrap();
        assert_eq!(points, map(&vectors, 12, 1).unwrap(), "one seed, one map");
        assert_ne!(points, map(&vectors, 12, 2).unwrap());
        let distance = |a: usize, b: usize| (points[a][0] - points[b][0]).hypot(points[a][1] - points[b][1]);
        for a in 0..n {
            let nearest =
                (0..n).filter(|&b| b != a).min_by(|&b, &c| distance(a, b).total_cmp(&distance(a, c))).unwrap();
            assert_eq!(a % 4, nearest % 4, "the point nearest to {a} is {nearest}");
        }
    }

    /// Of the ten that are nearest to each vector, the share that are among its ten nearest points.
    fn kept(vectors: &[f32], d_embed: usize, points: &[[f32; 2]]) -> f64 {
        let of_point = |n: usize| {
            let distance = |m: usize| (points[n][0] - points[m][0]).hypot(points[n][1] - points[m][1]);
            let mut others: Vec<usize> = (0..points.len()).filter(|&m| m != n).collect();
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            others[..10].to_vec()
        };
        let nearest = nearest_neighbours(vectors, d_embed, 10).unwrap();
        let both = |(n, found): (usize, &Vec<(usize, f32)>)| {
            let near = of_point(n);
            found.iter().filter(|(other, _)| near.contains(other)).count()
        };
        nearest.iter().enumerate().map(both).sum::<usize>() as f64 / (10 * points.len()) as f64
    }

    /// What `tests/golden/plane.py` wrote.
    #[derive(serde::Deserialize)]
    struct Golden {
        kept: f64,
    }

    /// The same sentences as in the tests of the clusters.
    #[derive(serde::Deserialize)]
    struct Sentences {
        vectors: Vec<Vec<f32>>,
    }

    #[test]
    fn neighbours_are_kept_as_by_scikit_learn() {
        let golden: Golden = serde_json::from_str(include_str!("../tests/golden/plane.json")).unwrap();
        let sentences = include_str!("../../elman-index/tests/golden/clusters.json");
        let vectors = serde_json::from_str::<Sentences>(sentences).unwrap().vectors.concat();
        let found = kept(&vectors, 32, &map(&vectors, 32, 1).unwrap());
        println!("{found:.3} of the neighbours are kept, {:.3} by scikit-learn", golden.kept);
        assert!(found > 0.9 * golden.kept, "{found} {}", golden.kept);
    }

    #[test]
    fn it_begins_along_the_greatest_variance() {
        // around (1, 1, 1): far along (1, −1, 0), less along (1, 1, −2)
        let mut rng = ChaCha12Rng::seed_from_u64(3);
        let places: Vec<[f32; 2]> =
            (0..200).map(|_| [rng.random_range(-0.3..0.3), rng.random_range(-0.05..0.05)]).collect();
        let vectors: Vec<f32> = places.iter().flat_map(|[a, b]| [1.0 + a + b, 1.0 - a + b, 1.0 - 2.0 * b]).collect();
        let found = flattened(&vectors, 3, &mut rng);
        for axis in [0, 1] {
            let product: f64 =
                found.iter().zip(&places).map(|(found, place)| found[axis] * f64::from(place[axis])).sum();
            let squares = |values: Vec<f64>| values.iter().map(|x| x * x).sum::<f64>().sqrt();
            let (a, b) = (found.iter().map(|p| p[axis]), places.iter().map(|p| p[axis].into()));
            let correlation = product / (squares(a.collect()) * squares(b.collect()));
            // on the sphere, not on the plane: nearly
            assert!(correlation.abs() > 0.97, "{axis}: {correlation}");
        }
    }

    #[test]
    fn however_few_there_are_and_however_alike() {
        assert_eq!(map(&[], 3, 1).unwrap(), Vec::<[f32; 2]>::new());
        for n in 1..40 {
            for vectors in [bundles(n, 3), bundles(12, 3)[..12].repeat(n), bundles(2, 2).repeat(n)] {
                let points = map(&vectors, 12, 1).unwrap();
                assert_eq!(points.len(), vectors.len() / 12);
                assert!(points.iter().flatten().all(|x| x.is_finite()), "{n}: {points:?}");
            }
        }
        assert!(map(&[1.0, 2.0, -1.0, 3.0, -0.5], 1, 1).unwrap().iter().flatten().all(|x| x.is_finite()));
    }
}
