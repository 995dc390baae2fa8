//! Clusters, compared with scikit-learn and with unambiguous solutions.

use elman_index::{Cluster, IndexError, clusters, cosine};
use proptest::prelude::*;
use serde::Deserialize;

/// k-means converges to local optima: on these vectors, single runs of scikit-learn are up to 2.4 % above its best of
/// ten.
const MAX_RATIO_TO_BEST_OF_TEN: f64 = 1.03;

/// The output of `golden/clusters.py`.
#[derive(Deserialize)]
struct Golden {
    vectors: Vec<Vec<f32>>,
    inertia: std::collections::BTreeMap<usize, f64>,
}

fn positions(cluster: &Cluster) -> Vec<usize> {
    let mut positions: Vec<usize> = cluster.members.iter().map(|&(position, _)| position).collect();
    positions.sort_unstable();
    positions
}

/// The sum of squared distances of the normalized vectors from the means of their clusters.
fn inertia(vectors: &[Vec<f32>], clusters: &[Cluster]) -> f64 {
    let unit = |vector: &Vec<f32>| {
        let length = vector.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
        vector.iter().map(|&x| f64::from(x) / length).collect::<Vec<f64>>()
    };
    let of_cluster = |cluster: &Cluster| {
        let members: Vec<Vec<f64>> = positions(cluster).into_iter().map(|n| unit(&vectors[n])).collect();
        let mean = |axis: usize| members.iter().map(|member| member[axis]).sum::<f64>() / members.len() as f64;
        let of_axis = |axis: usize| members.iter().map(|member| (member[axis] - mean(axis)).powi(2)).sum::<f64>();
        (0..members[0].len()).map(of_axis).sum::<f64>()
    };
    clusters.iter().map(of_cluster).sum()
}

#[test]
fn as_good_as_scikit_learn_on_sentences() {
    let golden: Golden = serde_json::from_str(include_str!("golden/clusters.json")).unwrap();
    let (flat, dim) = (golden.vectors.concat(), golden.vectors[0].len());
    for (&count, &best) in &golden.inertia {
        for seed in 1..=5 {
            let found = clusters(&flat, dim, count, seed).unwrap();
            assert_eq!(found.len(), count);
            let inertia = inertia(&golden.vectors, &found);
            println!("{count} clusters, seed {seed}: {:.4} of scikit-learn's inertia", inertia / best);
            assert!(inertia < best * MAX_RATIO_TO_BEST_OF_TEN, "{count} clusters, seed {seed}: {inertia}, {best}");
        }
    }
}

#[test]
fn each_vector_is_in_the_cluster_of_the_nearest_center() {
    let golden: Golden = serde_json::from_str(include_str!("golden/clusters.json")).unwrap();
    let (flat, dim) = (golden.vectors.concat(), golden.vectors[0].len());
    let found = clusters(&flat, dim, 20, 1).unwrap();
    let mut all: Vec<usize> = found.iter().flat_map(positions).collect();
    all.sort_unstable();
    assert_eq!(all, (0..golden.vectors.len()).collect::<Vec<_>>());
    assert!(found.is_sorted_by(|a, b| a.members.len() >= b.members.len()));
    for cluster in &found {
        assert!((cluster.center.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(cluster.members.is_sorted_by(|a, b| a.1 >= b.1));
        for &(position, found_cosine) in &cluster.members {
            let vector = &golden.vectors[position];
            assert!((found_cosine - cosine(vector, &cluster.center)).abs() < 1e-5);
            assert!(found.iter().all(|other| cosine(vector, &other.center) < found_cosine + 1e-5));
        }
    }
    assert_eq!(found, clusters(&flat, dim, 20, 1).unwrap(), "the result depends only on the seed");
    let single = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(found, single.install(|| clusters(&flat, dim, 20, 1)).unwrap(), "and not on the number of threads");
    assert_ne!(found, clusters(&flat, dim, 20, 2).unwrap());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// Bundles of vectors along the axes, of any length and in any order; more than a block.
    #[test]
    fn bundles_are_found_exactly(
        bundles in proptest::collection::vec(0usize..6, 6..700),
        noise in proptest::collection::vec(-0.05f32..0.05, 97),
        seed: u64,
    ) {
        let bundles = [vec![0, 1, 2, 3, 4, 5], bundles].concat();
        let vector = |(n, &bundle): (usize, &usize)| {
            let length = 1.0 + (n % 13) as f32;
            (0..6).map(move |axis| (n, axis, length, if axis == bundle { 1.0 } else { 0.0 })).collect::<Vec<_>>()
        };
        let vectors: Vec<f32> = bundles.iter().enumerate().flat_map(vector)
            .map(|(n, axis, length, x)| length * (x + noise[(7 * n + axis) % noise.len()])).collect();
        let found = clusters(&vectors, 6, 6, seed).unwrap();
        let mut expected: Vec<Vec<usize>> =
            (0..6).map(|bundle| (0..bundles.len()).filter(|&n| bundles[n] == bundle).collect()).collect();
        let mut found: Vec<Vec<usize>> = found.iter().map(positions).collect();
        expected.sort();
        found.sort();
        prop_assert_eq!(found, expected);
    }

    /// Each vector is in exactly one cluster, and no cluster is empty.
    #[test]
    fn clusters_are_a_partition(values in proptest::collection::vec(-1i8..=1, 2..120), count in 1usize..40, seed: u64) {
        let nonzero = values.chunks_exact(2).filter(|pair| pair[0] != 0 || pair[1] != 0);
        let vectors: Vec<f32> = nonzero.flatten().map(|&n| n.into()).collect();
        let all = vectors.len() / 2;
        match clusters(&vectors, 2, count, seed) {
            Ok(found) => {
                prop_assert!(found.len() <= count.min(8) && found.iter().all(|cluster| !cluster.members.is_empty()));
                let mut members: Vec<usize> = found.iter().flat_map(positions).collect();
                members.sort_unstable();
                prop_assert_eq!(members, (0..all).collect::<Vec<_>>());
            }
            Err(IndexError::ClusterCount { .. } | IndexError::NoVectors) => prop_assert!(count > all),
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn as_many_clusters_as_vectors_and_one_cluster() {
    let vectors: Vec<f32> = (0..40).flat_map(|n| [(n as f32).sin(), (n as f32).cos()]).collect();
    let found = clusters(&vectors, 2, 40, 3).unwrap();
    assert_eq!(found.iter().map(|cluster| cluster.members.len()).collect::<Vec<_>>(), [1; 40]);
    let found = clusters(&vectors, 2, 1, 3).unwrap();
    assert_eq!(positions(&found[0]), (0..40).collect::<Vec<_>>());
}

#[test]
fn equal_directions_are_in_one_cluster() {
    let found = clusters(&[1.0, 0.0, 3.0, 0.0, 0.0, 2.0, 2.0, 0.0], 2, 3, 1).unwrap();
    assert_eq!(found.iter().map(positions).collect::<Vec<_>>(), [vec![0, 1, 3], vec![2]]);
}

#[test]
fn vectors_beyond_the_sample_are_assigned() {
    // centers are fitted to a sample of the 60,000 vectors, in 4 bundles, and all vectors are assigned
    let vectors: Vec<f32> = (0..60_000)
        .flat_map(|n| {
            let angle = (n % 4) as f32 * 1.5 + (n % 101) as f32 * 0.001;
            [angle.cos(), angle.sin()]
        })
        .collect();
    let found = clusters(&vectors, 2, 4, 1).unwrap();
    let mut bundles: Vec<Vec<usize>> = found.iter().map(positions).collect();
    bundles.sort();
    assert_eq!(bundles, (0..4).map(|n| (n..60_000).step_by(4).collect::<Vec<_>>()).collect::<Vec<_>>());
    assert_eq!(found, clusters(&vectors, 2, 4, 1).unwrap());
}

#[test]
fn invalid_input_is_an_error() {
    let error = |vectors: &[f32], dim, count| clusters(vectors, dim, count, 1).unwrap_err().to_string();
    assert_eq!(error(&[], 2, 1), "there are no vectors to cluster");
    assert_eq!(error(&[1.0, 2.0], 1, 0), "2 vectors cannot be put into 0 clusters: use 1 to 2");
    assert_eq!(error(&[1.0, 2.0], 1, 3), "2 vectors cannot be put into 3 clusters: use 1 to 2");
    assert_eq!(
        error(&[1.0, 2.0], 1, usize::MAX),
        format!("2 vectors cannot be put into {} clusters: use 1 to 2", usize::MAX)
    );
    assert_eq!(error(&[1.0], 2, 1), "1 values are not a multiple of the vector length 2");
    assert_eq!(error(&[1.0], 0, 1), "vectors of 0 dimensions cannot be stored: use 1 to 65536");
    for value in [0.0, f32::NAN, f32::NEG_INFINITY] {
        assert_eq!(
            error(&[1.0, value], 1, 1),
            "vector 1 is zero or has a value that is not finite: its cosine is undefined"
        );
    }
}
