use rand::{RngExt, SeedableRng, rngs::StdRng, seq::index};
use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    rank::best_first,
};

/// Vectors that centers are fitted to: the greater of this and `SAMPLE_SIZE_PER_CLUSTER` for each cluster. Further
/// vectors are only assigned to clusters.
const SAMPLE_SIZE: usize = 50_000;
const SAMPLE_SIZE_PER_CLUSTER: usize = 256;
/// Most inputs converge within a few dozen iterations.
const MAX_ITERATIONS: usize = 100;
/// Iteration stops when the mean cosine of vectors and their centers increases by less than this.
const MIN_IMPROVEMENT: f64 = 1e-5;
/// A smaller value of 1 − cosine is treated as 0: it is below the precision of `f32`.
const ZERO_DISTANCE: f32 = 1e-6;

/// Vectors with similar directions.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The center: the mean direction of the members, a unit vector `[dim]`.
    pub center: Vec<f32>,
    /// Position of each member and its cosine with the center, nearest first.
    pub members: Vec<(usize, f32)>,
}

/// Clusters vectors with spherical k-means (Dhillon & Modha 2001), which maximizes the sum of the cosines of vectors
/// and their nearest centers. Returns up to `count` clusters, largest first.
///
/// Centers are initialized with greedy k-means++ (Arthur & Vassilvitskii 2007) and fitted to a random sample of at most
/// 50,000 vectors or 256 per cluster, whichever is more. Each vector is then assigned to the nearest center. Empty
/// clusters are dropped, so there can be fewer than `count` if vectors are equal.
///
/// The result depends on `seed` and not on the number of threads; different CPUs may round differently. Time
/// O(n·count·dim) for each of up to 100 iterations, on all threads. Memory: a normalized copy of the sample, the
/// centers, and O(n).
///
/// # Shapes
/// `vectors`: `[n, dim]`, row by row.
///
/// # Errors
/// If there are no vectors, `count` is not 1 to n, `dim` is 0 or too large, the length of `vectors` is not a multiple
/// of `dim`, or a vector is zero or has a value that is not finite.
///
/// ```
/// let clusters = elman_index::clusters(&[1.0, 0.1, 0.0, 1.0, 2.0, 0.0], 2, 2, 1)?;
/// let members: Vec<usize> = clusters[0].members.iter().map(|&(position, _)| position).collect();
/// assert_eq!((members, clusters[1].members[0].0), (vec![0, 2], 1));
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn clusters(vectors: &[f32], dim: usize, count: usize, seed: u64) -> Result<Vec<Cluster>, IndexError> {
    let all = matrix::count_nonzero(vectors, dim)?;
    if all == 0 {
        return Err(IndexError::NoVectors);
    }
    if !(1..=all).contains(&count) {
        return Err(IndexError::ClusterCount { limit: all, found: count });
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let sample_size = SAMPLE_SIZE.max(count.saturating_mul(SAMPLE_SIZE_PER_CLUSTER));
    let unit = match all > sample_size {
        false => matrix::normalized_rows(vectors, dim),
        true => {
            let mut rows = index::sample(&mut rng, all, sample_size).into_vec();
            rows.sort_unstable();
            rows.par_iter().flat_map_iter(|row| matrix::normalized(&vectors[row * dim..][..dim])).collect()
        }
    };
    let centers = fit(&unit, dim, initial_centers(&unit, dim, count, &mut rng));
    drop(unit);
    let mut clusters: Vec<Cluster> =
        centers.chunks_exact(dim).map(|center| Cluster { center: center.into(), members: Vec::new() }).collect();
    for (position, (cluster, cosine)) in nearest(vectors, &centers, dim).into_iter().enumerate() {
        clusters[cluster].members.push((position, cosine));
    }
    clusters.retain(|cluster| !cluster.members.is_empty());
    clusters.par_iter_mut().for_each(|cluster| cluster.members.sort_unstable_by(best_first));
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.members.len()));
    Ok(clusters)
}

/// The nearest center of each vector, and their cosine.
fn nearest(vectors: &[f32], centers: &[f32], dim: usize) -> Vec<(usize, f32)> {
    let centers = matrix::view(centers, dim);
    let in_block = |rows: &[f32]| {
        let products = matrix::view(rows, dim).dot(&centers.t());
        let in_row = |(product, row): (ndarray::ArrayView1<'_, f32>, &[f32])| {
            let first = (0, f32::NEG_INFINITY);
            let greatest = |best: (usize, f32), (n, &x): (usize, &f32)| if x > best.1 { (n, x) } else { best };
            let (center, product) = product.iter().enumerate().fold(first, greatest);
            (center, ((f64::from(product) / matrix::norm(row)) as f32).clamp(-1.0, 1.0))
        };
        products.outer_iter().zip(rows.chunks_exact(dim)).map(in_row).collect::<Vec<_>>()
    };
    vectors.par_chunks(BLOCK * dim).flat_map_iter(in_block).collect()
}

/// Initial centers for unit vectors, by greedy k-means++: each is the best of several candidates, drawn with
/// probabilities proportional to the squared distance from the nearest center. Fewer than `count` if every vector is at
/// a center.
fn initial_centers(unit: &[f32], dim: usize, count: usize, rng: &mut StdRng) -> Vec<f32> {
    let row = |n: usize| &unit[n * dim..(n + 1) * dim];
    let num_candidates = 2 + count.ilog2() as usize;
    let mut centers = row(rng.random_range(0..unit.len() / dim)).to_vec();
    let mut distances = distances(unit, &centers, dim);
    while centers.len() < count * dim {
        let mut total = 0.0;
        let sums: Vec<f64> = distances
            .iter()
            .map(|&distance| {
                total += f64::from(distance);
                total
            })
            .collect();
        if total == 0.0 {
            break;
        }
        let draw = |_| {
            let target = rng.random_range(0.0..total);
            sums.partition_point(|&sum| sum <= target).min(sums.len() - 1)
        };
        let candidates: Vec<usize> = (0..num_candidates).map(draw).collect();
        let rows: Vec<f32> = candidates.iter().flat_map(|&n| row(n)).copied().collect();
        let from_candidates = self::distances(unit, &rows, dim);
        let cost = |c: usize| -> f64 {
            let from_candidate = from_candidates[c..].iter().step_by(num_candidates);
            from_candidate.zip(&distances).map(|(a, b)| f64::from(a.min(*b))).sum()
        };
        let costs: Vec<f64> = (0..num_candidates).into_par_iter().map(cost).collect();
        let best = (0..num_candidates).min_by(|&a, &b| costs[a].total_cmp(&costs[b])).expect("at least two candidates");
        for (distance, other) in distances.iter_mut().zip(from_candidates[best..].iter().step_by(num_candidates)) {
            *distance = distance.min(*other);
        }
        centers.extend_from_slice(row(candidates[best]));
    }
    centers
}

/// 1 − cosine, which is half the squared distance, of each pair of unit vectors of `unit` and `others`: `[n, others]`.
fn distances(unit: &[f32], others: &[f32], dim: usize) -> Vec<f32> {
    let others = matrix::view(others, dim);
    let distance = |product: f32| if 1.0 - product > ZERO_DISTANCE { 1.0 - product } else { 0.0 };
    let in_block =
        |rows: &[f32]| matrix::view(rows, dim).dot(&others.t()).mapv_into(distance).into_raw_vec_and_offset().0;
    unit.par_chunks(BLOCK * dim).flat_map_iter(in_block).collect()
}

/// Lloyd's iterations: assigns vectors to the nearest center, and moves each center to the mean direction of its
/// members.
fn fit(unit: &[f32], dim: usize, mut centers: Vec<f32>) -> Vec<f32> {
    let mut previous = f64::NEG_INFINITY;
    for _ in 0..MAX_ITERATIONS {
        let nearest = nearest(unit, &centers, dim);
        let sum: f64 = nearest.iter().map(|&(_, cosine)| f64::from(cosine)).sum();
        if sum - previous < MIN_IMPROVEMENT * nearest.len() as f64 {
            break;
        }
        previous = sum;
        let mut members = vec![Vec::new(); centers.len() / dim];
        for (row, &(center, _)) in nearest.iter().enumerate() {
            members[center].push(row);
        }
        refill_empty(&mut members, &nearest);
        centers.par_chunks_exact_mut(dim).zip(&members).for_each(|(center, members)| {
            let mut mean = vec![0.0f64; dim];
            for row in members {
                mean.iter_mut().zip(&unit[row * dim..]).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            // keep the center if it has no members or they cancel out
            if length > 0.0 {
                center.iter_mut().zip(mean).for_each(|(to, x)| *to = (x / length) as f32);
            }
        });
    }
    centers
}

/// Reassigns the vectors that are farthest from their centers to clusters without members.
fn refill_empty(members: &mut [Vec<usize>], nearest: &[(usize, f32)]) {
    let empty: Vec<usize> = (0..members.len()).filter(|&n| members[n].is_empty()).collect();
    if empty.is_empty() {
        return;
    }
    let by_distance = nearest.iter().map(|&(_, cosine)| -cosine);
    for (center, (row, _)) in empty.into_iter().zip(crate::rank::top_k(by_distance, members.len())) {
        members[nearest[row].0].retain(|&other| other != row);
        members[center].push(row);
    }
}
