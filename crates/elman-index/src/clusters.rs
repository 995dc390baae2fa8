use rand::{RngExt, SeedableRng, rngs::StdRng, seq::index};
use rayon::prelude::*;

use crate::{
    error::IndexError,
    matrix::{self, BLOCK},
    rank::best_first,
};

/// The centres are found by this many vectors, or by so many for each cluster where that is more; all others only join.
const FITTED: usize = 50_000;
const FITTED_EACH: usize = 256;
/// Rounds, unless it ends before: most do in a few dozen.
const ROUNDS: usize = 100;
/// It ends when a round adds less than this to the mean cosine of a vector and its centre.
const GAIN: f64 = 1e-5;
/// What is nearer to a centre than this, in 1 − cosine, is at it, as far as single precision knows.
const AT_CENTRE: f32 = 1e-6;

/// Vectors of about one direction.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// The centre, `[d_embed]`: their mean direction, of length 1.
    pub centre: Vec<f32>,
    /// The positions of its vectors, each with its cosine with the centre; nearest first.
    pub members: Vec<(usize, f32)>,
}

/// Puts vectors into `count` clusters, the greatest first: spherical k-means (Dhillon & Modha 2001), which seeks centres
/// such that the sum of all vectors' cosines with the nearest centre is great.
///
/// The first centres are spread by greedy k-means++ (Arthur & Vassilvitskii 2007). They are fitted to at most 50,000 vectors or
/// 256 for each cluster, drawn at random where there are more; every vector then joins the nearest. No cluster is empty:
/// where vectors are the same, there may be fewer than `count`.
///
/// One `seed` gives one answer, however many threads there are; another processor may round differently. Time
/// O(n·count·d_embed) for each of up to 100 rounds, on all threads; memory, beside the vectors, a copy of those that are
/// fitted, the centres, and O(n).
///
/// # Shapes
/// `vectors`: `[n, d_embed]`, row by row.
///
/// # Errors
/// If there are no vectors, `count` is not 1 to n, `d_embed` is 0 or too great, the numbers are no whole number of vectors, or a
/// vector is zero or has a value that is not finite.
///
/// ```
/// let clusters = elman_index::clusters(&[1.0, 0.1, 0.0, 1.0, 2.0, 0.0], 2, 2, 1)?;
/// let members: Vec<usize> = clusters[0].members.iter().map(|&(position, _)| position).collect();
/// assert_eq!((members, clusters[1].members[0].0), (vec![0, 2], 1));
/// # Ok::<(), elman_index::IndexError>(())
/// ```
pub fn clusters(vectors: &[f32], d_embed: usize, count: usize, seed: u64) -> Result<Vec<Cluster>, IndexError> {
    let all = matrix::count_directed(vectors, d_embed)?;
    if all == 0 {
        return Err(IndexError::NoVectors);
    }
    if !(1..=all).contains(&count) {
        return Err(IndexError::ClusterCount { limit: all, found: count });
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let fitted = FITTED.max(count.saturating_mul(FITTED_EACH));
    let unit = match all > fitted {
        false => matrix::to_units(vectors, d_embed),
        true => {
            let mut rows = index::sample(&mut rng, all, fitted).into_vec();
            rows.sort_unstable();
            rows.par_iter().flat_map_iter(|row| matrix::to_unit(&vectors[row * d_embed..][..d_embed])).collect()
        }
    };
    let centres = fit(&unit, d_embed, spread(&unit, d_embed, count, &mut rng));
    drop(unit);
    let mut clusters: Vec<Cluster> =
        centres.chunks_exact(d_embed).map(|centre| Cluster { centre: centre.into(), members: Vec::new() }).collect();
    for (position, (cluster, cosine)) in nearest(vectors, &centres, d_embed).into_iter().enumerate() {
        clusters[cluster].members.push((position, cosine));
    }
    clusters.retain(|cluster| !cluster.members.is_empty());
    clusters.par_iter_mut().for_each(|cluster| cluster.members.sort_unstable_by(best_first));
    clusters.sort_by_key(|cluster| std::cmp::Reverse(cluster.members.len()));
    Ok(clusters)
}

/// For each vector the centre with the greatest cosine, and that.
fn nearest(vectors: &[f32], centres: &[f32], d_embed: usize) -> Vec<(usize, f32)> {
    let centres = matrix::of(centres, d_embed);
    let of_block = |rows: &[f32]| {
        let products = matrix::of(rows, d_embed).dot(&centres.t());
        let of_row = |(product, row): (ndarray::ArrayView1<'_, f32>, &[f32])| {
            let first = (0, f32::NEG_INFINITY);
            let greatest = |best: (usize, f32), (n, &x): (usize, &f32)| if x > best.1 { (n, x) } else { best };
            let (centre, product) = product.iter().enumerate().fold(first, greatest);
            (centre, ((f64::from(product) / matrix::length(row)) as f32).clamp(-1.0, 1.0))
        };
        products.outer_iter().zip(rows.chunks_exact(d_embed)).map(of_row).collect::<Vec<_>>()
    };
    vectors.par_chunks(BLOCK * d_embed).flat_map_iter(of_block).collect()
}

/// First centres, of vectors of length 1: each is the best of a few that are drawn by their squared distance from the
/// centres before. Fewer than `count` where all vectors are at centres.
fn spread(unit: &[f32], d_embed: usize, count: usize, rng: &mut StdRng) -> Vec<f32> {
    let row = |n: usize| &unit[n * d_embed..(n + 1) * d_embed];
    let tries = 2 + count.ilog2() as usize;
    let mut centres = row(rng.random_range(0..unit.len() / d_embed)).to_vec();
    let mut distances = distances(unit, &centres, d_embed);
    while centres.len() < count * d_embed {
        let mut until = 0.0;
        let sums: Vec<f64> = distances
            .iter()
            .map(|&distance| {
                until += f64::from(distance);
                until
            })
            .collect();
        if until == 0.0 {
            break;
        }
        let draw = |_| {
            let at = rng.random_range(0.0..until);
            sums.partition_point(|&sum| sum <= at).min(sums.len() - 1)
        };
        let candidates: Vec<usize> = (0..tries).map(draw).collect();
        let rows: Vec<f32> = candidates.iter().flat_map(|&n| row(n)).copied().collect();
        let from_candidates = self::distances(unit, &rows, d_embed);
        let left =
            |c: usize| from_candidates[c..].iter().step_by(tries).zip(&distances).map(|(a, b)| f64::from(a.min(*b)));
        let sums: Vec<f64> = (0..tries).into_par_iter().map(|c| left(c).sum()).collect();
        let best = (0..tries).min_by(|&a, &b| sums[a].total_cmp(&sums[b])).expect("two tries or more");
        for (distance, other) in distances.iter_mut().zip(from_candidates[best..].iter().step_by(tries)) {
            *distance = distance.min(*other);
        }
        centres.extend_from_slice(row(candidates[best]));
    }
    centres
}

/// 1 − cosine, which is half the squared distance, of each vector of length 1 and each of some others: `[n, others]`.
fn distances(unit: &[f32], others: &[f32], d_embed: usize) -> Vec<f32> {
    let others = matrix::of(others, d_embed);
    let distance = |product: f32| if 1.0 - product > AT_CENTRE { 1.0 - product } else { 0.0 };
    let of_block =
        |rows: &[f32]| matrix::of(rows, d_embed).dot(&others.t()).mapv_into(distance).into_raw_vec_and_offset().0;
    unit.par_chunks(BLOCK * d_embed).flat_map_iter(of_block).collect()
}

/// Moves centres to the mean direction of the vectors that are nearest to each, again and again.
fn fit(unit: &[f32], d_embed: usize, mut centres: Vec<f32>) -> Vec<f32> {
    let mut before = f64::NEG_INFINITY;
    for _ in 0..ROUNDS {
        let nearest = nearest(unit, &centres, d_embed);
        let sum: f64 = nearest.iter().map(|&(_, cosine)| f64::from(cosine)).sum();
        if sum - before < GAIN * nearest.len() as f64 {
            break;
        }
        before = sum;
        let mut members = vec![Vec::new(); centres.len() / d_embed];
        for (row, &(centre, _)) in nearest.iter().enumerate() {
            members[centre].push(row);
        }
        fill_empty(&mut members, &nearest);
        centres.par_chunks_exact_mut(d_embed).zip(&members).for_each(|(centre, members)| {
            let mut mean = vec![0.0f64; d_embed];
            for row in members {
                mean.iter_mut().zip(&unit[row * d_embed..]).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt();
            // vectors that cancel out, or none: the centre stays
            if length > 0.0 {
                centre.iter_mut().zip(mean).for_each(|(to, x)| *to = (x / length) as f32);
            }
        });
    }
    centres
}

/// Gives centres that have lost all their vectors those that are farthest from theirs.
fn fill_empty(members: &mut [Vec<usize>], nearest: &[(usize, f32)]) {
    let empty: Vec<usize> = (0..members.len()).filter(|&n| members[n].is_empty()).collect();
    if empty.is_empty() {
        return;
    }
    let by_distance = nearest.iter().map(|&(_, cosine)| -cosine);
    for (centre, (row, _)) in empty.into_iter().zip(crate::rank::top_k(by_distance, members.len())) {
        members[nearest[row].0].retain(|&other| other != row);
        members[centre].push(row);
    }
}
