use maud::{Markup, html};

use crate::{
    chart::{Anchor, Chart, document, label, legend, round, text_width, tick},
    palette::{INK, LINE, MUTED, series},
    scatter::distinct,
};

/// A dendrogram of hierarchical clustering, with the leaves on the right and the root on the left.
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

/// A merge of two clusters. Clusters are numbered as in SciPy: the n leaves from 0, the merges from n.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Merge {
    /// The first cluster.
    pub left: usize,
    /// The second cluster.
    pub right: usize,
    /// The distance between them.
    pub distance: f64,
}

const WIDTH: f64 = 720.0;
const ROW_HEIGHT: f64 = 19.0;
const TOP: f64 = 44.0;
const FONT_SIZE: f64 = 13.0;

impl Dendrogram {
    /// The tree of `merges` over leaves, each with a name and a group, which determines its color.
    ///
    /// # Panics
    /// If a merge refers to a cluster that does not exist yet or was merged already.
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
        let mut unmerged = vec![true; tree.leaves.len()];
        for merge in &tree.merges {
            for cluster in [merge.left, merge.right] {
                let taken = unmerged.get_mut(cluster).map(|unmerged| std::mem::replace(unmerged, false));
                assert_eq!(taken, Some(true), "dendrogram: cluster {cluster} cannot be merged");
            }
            unmerged.push(true);
        }
        tree
    }

    /// The leaves from top to bottom, in an order without crossing lines.
    fn order(&self) -> Vec<usize> {
        let n = self.leaves.len();
        let mut merged = vec![false; n + self.merges.len()];
        for merge in &self.merges {
            (merged[merge.left], merged[merge.right]) = (true, true);
        }
        let mut pending: Vec<usize> = (0..merged.len()).filter(|cluster| !merged[*cluster]).rev().collect();
        let mut order = Vec::new();
        while let Some(cluster) = pending.pop() {
            match cluster.checked_sub(n) {
                None => order.push(cluster),
                Some(merge) => pending.extend([self.merges[merge].right, self.merges[merge].left]),
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
        let name_width = self.leaves.iter().map(|leaf| text_width(&leaf.name, FONT_SIZE)).fold(0.0, f64::max);
        let right = (WIDTH - name_width.min(300.0) - 30.0).max(100.0);
        let bottom = TOP + ROW_HEIGHT * self.leaves.len() as f64;
        let distances = self.merges.iter().map(|merge| merge.distance).filter(|distance| distance.is_finite());
        let max_distance = distances.fold(0.0, f64::max);
        let x = |distance: f64| {
            let fraction =
                if max_distance > 0.0 && distance.is_finite() { distance.max(0.0) / max_distance } else { 0.0 };
            right - (right - 24.0) * fraction
        };
        // the start of each cluster's line
        let mut at = vec![(right, 0.0); self.leaves.len()];
        for (row, leaf) in self.order().into_iter().enumerate() {
            at[leaf].1 = TOP + ROW_HEIGHT * (row as f64 + 0.5);
        }
        let mut lines = Vec::new();
        for merge in &self.merges {
            let ([left, below], x) = ([at[merge.left], at[merge.right]], x(merge.distance));
            lines.push([(left.0, left.1), (x, left.1), (x, below.1), (below.0, below.1)]);
            at.push((x, (left.1 + below.1) / 2.0));
        }
        let color = |leaf: &Leaf| series(groups.iter().position(|group| *group == leaf.group).unwrap_or(0));
        let content = html! {
            (axis(right, bottom, max_distance, &self.axis))
            @for line in &lines {
                polyline points=(points(line)) fill="none" stroke=(MUTED.light) stroke-width="1.4" {}
            }
            @for (leaf, at) in self.leaves.iter().zip(&at) {
                circle cx=(round(right + 7.0)) cy=(round(at.1)) r="4" fill=(color(leaf).light) {}
                (label(Anchor::Start, right + 16.0, at.1 + 4.5, FONT_SIZE, &INK, &leaf.name))
            }
            (legend(24.0, bottom + 62.0, &groups))
        };
        document(WIDTH, bottom + 76.0, &self.title, &content)
    }
}

fn points(line: &[(f64, f64)]) -> String {
    line.iter().map(|(x, y)| format!("{},{} ", round(*x), round(*y))).collect::<String>().trim_end().to_owned()
}

/// The distance axis, with 0 on the right.
fn axis(right: f64, y: f64, max_distance: f64, name: &str) -> Markup {
    let ticks =
        [0.0, 0.25, 0.5, 0.75, 1.0].map(|fraction| (right - (right - 24.0) * fraction, max_distance * fraction));
    html! {
        line x1="24" y1=(y + 8.0) x2=(round(right)) y2=(y + 8.0) stroke=(LINE.light) {}
        @for (x, distance) in ticks {
            line x1=(round(x)) y1=(TOP) x2=(round(x)) y2=(y + 12.0) stroke=(LINE.light) {}
            @if max_distance > 0.0 { (label(Anchor::Middle, x, y + 25.0, 11.0, &MUTED, &tick(distance, max_distance))) }
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
    fn leaves_of_a_cluster_are_adjacent() {
        let leaves = ["a", "b", "c", "d"].map(|name| (name, "g"));
        let tree = Dendrogram::new("t", "x", leaves, [merge(0, 2, 1.0), merge(1, 3, 2.0), merge(4, 5, 3.0)]);
        assert_eq!(tree.order(), [0, 2, 1, 3]);
    }

    #[test]
    fn any_distances_can_be_drawn() {
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
    fn merging_a_cluster_twice_panics() {
        Dendrogram::new("t", "x", ["a", "b"].map(|n| (n, "g")), [merge(0, 1, 1.0), merge(0, 2, 2.0)]);
    }
}
