use maud::{Markup, html};

use crate::{
    chart::{Anchor, Chart, document, label, legend, round, text_width, tick},
    palette::{INK, LINE, MUTED, series},
    scatter::distinct,
};

/// A tree of clusters, drawn from its leaves on the right to its root on the left.
#[derive(Clone, Debug)]
pub struct Dendrogram {
    title: String,
    leaves: Vec<Leaf>,
    merges: Vec<Merge>,
    axis: String,
}

#[derive(Clone, Debug)]
struct Leaf {
    name: String,
    group: String,
}

/// Two clusters that become one. Clusters are numbered as SciPy does: the n leaves from 0, then each merge from n on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// One cluster.
    pub left: usize,
    /// The other.
    pub right: usize,
    /// Their distance.
    pub distance: f64,
}

const WIDTH: f64 = 720.0;
const ROW: f64 = 19.0;
const TOP: f64 = 44.0;
const TEXT: f64 = 13.0;

impl Dendrogram {
    /// The tree of `merges` over leaves, each with its name and its group, which colours it.
    ///
    /// # Panics
    /// If a merge names a cluster that is not there yet, or one that is part of another already.
    pub fn new<N: Into<String>, G: Into<String>>(
        title: impl Into<String>,
        axis: impl Into<String>,
        leaves: impl IntoIterator<Item = (N, G)>,
        merges: impl IntoIterator<Item = Merge>,
    ) -> Self {
        let leaves = leaves.into_iter().map(|(name, group)| Leaf { name: name.into(), group: group.into() });
        let tree = Self {
            title: title.into(),
            axis: axis.into(),
            leaves: leaves.collect(),
            merges: merges.into_iter().collect(),
        };
        let mut free = vec![true; tree.leaves.len()];
        for merge in &tree.merges {
            for cluster in [merge.left, merge.right] {
                let taken = free.get_mut(cluster).map(|free| std::mem::replace(free, false));
                assert_eq!(taken, Some(true), "dendrogram: cluster {cluster} cannot be merged");
            }
            free.push(true);
        }
        tree
    }

    /// Leaves from top to bottom, so that no lines cross.
    fn order(&self) -> Vec<usize> {
        let n = self.leaves.len();
        let mut merged = vec![false; n + self.merges.len()];
        for merge in &self.merges {
            (merged[merge.left], merged[merge.right]) = (true, true);
        }
        let mut waiting: Vec<usize> = (0..merged.len()).filter(|cluster| !merged[*cluster]).rev().collect();
        let mut order = Vec::new();
        while let Some(cluster) = waiting.pop() {
            match cluster.checked_sub(n) {
                None => order.push(cluster),
                Some(merge) => waiting.extend([self.merges[merge].right, self.merges[merge].left]),
            }
        }
        order
    }
}

impl Chart for Dendrogram {
    fn title(&self) -> &str {
        &self.title
    }

    fn to_svg(&self) -> String {
        let groups = distinct(self.leaves.iter().map(|leaf| &leaf.group));
        let names = self.leaves.iter().map(|leaf| text_width(&leaf.name, TEXT)).fold(0.0, f64::max);
        let right = (WIDTH - names.min(300.0) - 30.0).max(100.0);
        let bottom = TOP + ROW * self.leaves.len() as f64;
        let distances = self.merges.iter().map(|merge| merge.distance).filter(|distance| distance.is_finite());
        let longest = distances.fold(0.0, f64::max);
        let x = |distance: f64| {
            let share = if longest > 0.0 && distance.is_finite() { distance.max(0.0) / longest } else { 0.0 };
            right - (right - 24.0) * share
        };
        // where each cluster's line begins
        let mut at = vec![(right, 0.0); self.leaves.len()];
        for (row, leaf) in self.order().into_iter().enumerate() {
            at[leaf].1 = TOP + ROW * (row as f64 + 0.5);
        }
        let mut lines = Vec::new();
        for merge in &self.merges {
            let ([left, below], x) = ([at[merge.left], at[merge.right]], x(merge.distance));
            lines.push([(left.0, left.1), (x, left.1), (x, below.1), (below.0, below.1)]);
            at.push((x, (left.1 + below.1) / 2.0));
        }
        let colour = |leaf: &Leaf| series(groups.iter().position(|group| *group == leaf.group).unwrap_or(0));
        let content = html! {
            (axis(right, bottom, longest, &self.axis))
            @for line in &lines {
                polyline points=(points(line)) fill="none" stroke=(MUTED.light) stroke-width="1.4" {}
            }
            @for (leaf, at) in self.leaves.iter().zip(&at) {
                circle cx=(round(right + 7.0)) cy=(round(at.1)) r="4" fill=(colour(leaf).light) {}
                (label(Anchor::Start, right + 16.0, at.1 + 4.5, TEXT, &INK, &leaf.name))
            }
            (legend(24.0, bottom + 62.0, &groups))
        };
        document(WIDTH, bottom + 76.0, &self.title, &content)
    }
}

fn points(line: &[(f64, f64)]) -> String {
    line.iter().map(|(x, y)| format!("{},{} ", round(*x), round(*y))).collect::<String>().trim_end().to_owned()
}

/// The axis of distances, from 0 on the right.
fn axis(right: f64, y: f64, longest: f64, name: &str) -> Markup {
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (right - (right - 24.0) * share, longest * share));
    html! {
        line x1="24" y1=(y + 8.0) x2=(round(right)) y2=(y + 8.0) stroke=(LINE.light) {}
        @for (x, distance) in ticks {
            line x1=(round(x)) y1=(TOP) x2=(round(x)) y2=(y + 12.0) stroke=(LINE.light) {}
            @if longest > 0.0 { (label(Anchor::Middle, x, y + 25.0, 11.0, &MUTED, &tick(distance, longest))) }
        }
        (label(Anchor::Middle, (right + 24.0) / 2.0, y + 40.0, 12.0, &MUTED, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merge(left: usize, right: usize, distance: f64) -> Merge {
        Merge { left, right, distance }
    }

    #[test]
    fn leaves_of_a_cluster_stand_together() {
        let leaves = ["a", "b", "c", "d"].map(|name| (name, "g"));
        let tree = Dendrogram::new("t", "x", leaves, [merge(0, 2, 1.0), merge(1, 3, 2.0), merge(4, 5, 3.0)]);
        assert_eq!(tree.order(), [0, 2, 1, 3]);
    }

    #[test]
    fn whatever_the_distances_are_it_is_drawn() {
        let none: [(&str, &str); 0] = [];
        let two = [("<a>", "&"), ("b", "<h>")];
        for tree in [
            Dendrogram::new("<none>", "x", none, []),
            Dendrogram::new("one", "x", [("a", "g")], []),
            Dendrogram::new("unmerged", "x", two, []),
            Dendrogram::new("zero", "x", two, [merge(0, 1, 0.0)]),
            Dendrogram::new("odd", "x", two, [merge(0, 1, f64::NAN)]),
            Dendrogram::new("below", "x", two, [merge(0, 1, -3.0)]),
        ] {
            let svg = tree.to_svg();
            roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
            assert!(!svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    #[should_panic(expected = "cluster 0 cannot be merged")]
    fn a_cluster_is_merged_once() {
        Dendrogram::new("t", "x", ["a", "b"].map(|n| (n, "g")), [merge(0, 1, 1.0), merge(0, 2, 2.0)]);
    }
}
