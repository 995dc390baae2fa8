//! Vectors as points on a plane, those that are alike near to each other.

use bhtsne::{Neighbor, tSNE};
use elman::{burn::tensor::Device, index::nearest_neighbours};
use rand::{RngExt, SeedableRng, rngs::ChaCha12Rng};

use crate::{error::CliError, pca};

/// How many neighbours each point attends to, about: the usual perplexity.
const PERPLEXITY: usize = 30;
/// The trade of exactness for speed that Barnes-Hut trees make: the usual one.
const THETA: f32 = 0.5;
const EPOCHS: usize = 750;
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
    // between vectors of length 1: |a − b|² = 2 − 2·a·b
    let distance = |cosine: f32| (2.0 - 2.0 * cosine).max(0.0).sqrt();
    let of_one = |found: &Vec<(usize, f32)>| {
        found.iter().map(|&(index, cosine)| Neighbor { index, distance: distance(cosine) }).collect()
    };
    let neighbours: Vec<Vec<Neighbor<f32>>> = neighbours.iter().map(of_one).collect();
    let rows: Vec<&[f32]> = vectors.chunks_exact(d_embed).collect();
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().map_err(|source| CliError::Thread { source })?;
    let flat = alone.install(|| {
        let mut tsne: tSNE<'_, f32, &[f32]> = tSNE::new(&rows);
        tsne.perplexity((neighbours[0].len() / 3) as f32).epochs(EPOCHS).initial_embedding(begin.concat());
        tsne.barnes_hut_with_neighbors(THETA, &neighbours).embedding()
    });
    Ok(flat.chunks_exact(2).map(|point| [point[0], point[1]]).collect())
}

/// The principal components, small, with a little chance that parts what is the same.
fn begin(vectors: &[f32], d_embed: usize, seed: u64) -> Vec<[f32; 2]> {
    let unit = vectors.chunks_exact(d_embed).flat_map(|vector| {
        let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        // one dimension is a plane's, too
        let second = (d_embed == 1).then_some(0.0);
        vector.iter().map(move |&x| (f64::from(x) / length) as f32).chain(second)
    });
    let points = pca::map(pca::tensor(unit, d_embed.max(2), &Device::default())).points;
    let spread = (points.iter().map(|point| point[0].powi(2)).sum::<f64>() / points.len() as f64).sqrt();
    let scale = if spread > 0.0 { BEGIN / spread } else { 0.0 };
    let mut rng = ChaCha12Rng::seed_from_u64(seed);
    points.iter().map(|point| point.map(|x| (x * scale) as f32 + rng.random_range(-JITTER..JITTER))).collect()
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
