//! Hierarchical clustering.

use kodama::{Dendrogram, Method, linkage};

/// Subtracts the mean from all points.
pub fn centered(points: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mean = |axis: usize| points.iter().map(|point| point[axis]).sum::<f64>() / points.len() as f64;
    let means: Vec<f64> = (0..points.first().map_or(0, Vec::len)).map(mean).collect();
    let offset = |point: &Vec<f64>| point.iter().zip(&means).map(|(x, mean)| x - mean).collect();
    points.iter().map(offset).collect()
}

/// Average linkage (UPGMA) with the distance `1 − cos(a, b)`: repeatedly joins the two clusters with the smallest mean
/// distance of their members. The distance is 0 for equal directions, 1 for orthogonal and 2 for opposite ones, and 1
/// to a zero vector.
pub fn average_linkage(points: &[Vec<f64>]) -> Dendrogram<f64> {
    let pairs = (0..points.len()).flat_map(|a| (a + 1..points.len()).map(move |b| (a, b)));
    let mut distances: Vec<f64> = pairs.map(|(a, b)| 1.0 - cosine(&points[a], &points[b])).collect();
    linkage(&mut distances, points.len(), Method::Average)
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}

/// The points of cluster `label`: a label below the number of points is a point, others are the cluster of step
/// `label − points`.
pub fn members(tree: &Dendrogram<f64>, label: usize) -> Vec<usize> {
    match label.checked_sub(tree.observations()) {
        None => vec![label],
        Some(step) => {
            let step = &tree[step];
            [members(tree, step.cluster1), members(tree, step.cluster2)].concat()
        }
    }
}

/// For each point, which of the two top-level clusters it belongs to.
///
/// # Panics
/// If there are fewer than two points.
pub fn top_two(tree: &Dendrogram<f64>) -> Vec<bool> {
    let last = tree.steps().last().expect("at least two points");
    let mut sides = vec![false; tree.observations()];
    members(tree, last.cluster2).into_iter().for_each(|point| sides[point] = true);
    sides
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_joined_by_mean_distance() {
        // a and c point along x, b along y, d between them, closer to y
        let points = [[2.0, 0.0], [0.0, 3.0], [5.0, 0.0], [3.0, 4.0]].map(Vec::from);
        let tree = average_linkage(&points);
        let heights: Vec<f64> = tree.steps().iter().map(|step| step.dissimilarity).collect();
        // a and c at 0, b and d at 1 − 0.8, both pairs at the mean of 1, 1, 1 − 0.6 and 1 − 0.6
        let off = heights.iter().zip([0.0, 0.2, 0.7]).map(|(found, expected)| (found - expected).abs());
        assert!(off.fold(0.0, f64::max) < 1e-12, "{heights:?}");

        let sides = top_two(&tree);
        assert_eq!((sides[0], sides[1]), (sides[2], sides[3]));
        assert_ne!(sides[0], sides[1]);
        let mut all = members(&tree, 6);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }

    #[test]
    fn distances_depend_on_directions_only() {
        assert_eq!(cosine(&[1.0, 0.0], &[-2.0, 0.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
        assert_eq!(centered(&[vec![1.0, 5.0], vec![3.0, 5.0]]), [[-1.0, 0.0], [1.0, 0.0]]);
        assert_eq!(centered(&[]), Vec::<Vec<f64>>::new());
    }
}
