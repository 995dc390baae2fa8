//! Dendrograms as text.

use kodama::Dendrogram;

use super::cluster::members;

/// Draws a tree with box-drawing characters: one line per point, labels at the right, the root at the left. The column
/// of a cluster is proportional to the distance at which its parts are joined, with the greatest distance at the left.
/// The tree has `width` columns, or a few more if clusters with nearly equal distances need separate columns. Of a
/// cluster's two parts, the one with the first point comes first.
pub fn draw(tree: &Dendrogram<f64>, labels: &[impl AsRef<str>], width: usize) -> String {
    let Some(root) = tree.steps().last() else {
        return labels.iter().map(|l| format!("─ {}\n", l.as_ref())).collect();
    };
    let drawing = Drawing { tree, max_distance: root.dissimilarity, width };
    let rows = drawing.rows(2 * tree.observations() - 2, 0);
    let columns = rows.iter().map(|(_, branches)| branches.len()).max().unwrap_or(0).max(width);
    let line = |(point, branches): &(usize, Vec<char>)| {
        let stroke = "─".repeat(columns + 1 - branches.len());
        format!("{}{stroke} {}\n", branches.iter().collect::<String>(), labels[*point].as_ref())
    };
    rows.iter().map(line).collect()
}

struct Drawing<'a> {
    tree: &'a Dendrogram<f64>,
    max_distance: f64,
    width: usize,
}

impl Drawing<'_> {
    /// The points of a cluster, each with the branches drawn before it, from column `from` on.
    fn rows(&self, label: usize, from: usize) -> Vec<(usize, Vec<char>)> {
        let Some(step) = label.checked_sub(self.tree.observations()) else { return vec![(label, Vec::new())] };
        let step = &self.tree[step];
        let left = if self.max_distance > 0.0 { 1.0 - step.dissimilarity / self.max_distance } else { 0.0 };
        let indent = ((left * self.width as f64) as usize).saturating_sub(from);
        let mut parts = [step.cluster1, step.cluster2];
        parts.sort_by_key(|part| members(self.tree, *part).into_iter().min());

        let mut rows = Vec::new();
        for (part, [first, others]) in parts.into_iter().zip([['┬', '│'], ['└', ' ']]) {
            for (n, (point, branches)) in self.rows(part, from + indent + 1).into_iter().enumerate() {
                let before = if first == '┬' && n == 0 { '─' } else { ' ' };
                let node = if n == 0 { first } else { others };
                let drawn = std::iter::repeat_n(before, indent).chain([node]).chain(branches);
                rows.push((point, drawn.collect()));
            }
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::cluster::average_linkage;

    fn drawn(angles: &[f64], labels: &[&str], width: usize) -> String {
        let points: Vec<Vec<f64>> = angles.iter().map(|a| a.to_radians()).map(|a| vec![a.cos(), a.sin()]).collect();
        draw(&average_linkage(&points), labels, width)
    }

    #[test]
    fn columns_are_proportional_to_distances() {
        // 0° and 60° are joined at 1 − cos 60° = 0.5, 180° and 216.87° at 0.2, the pairs at the mean of 2, 1.8, 1.5 and
        // 1.92, which is 1.805: in columns from the left, (1 − 0.5 / 1.805) · 20 = 14.5 and (1 − 0.2 / 1.805) · 20 =
        // 17.8
        let expected = "\
┬─────────────┬────── zero
│             └────── sixty
└────────────────┬─── west
                 └─── south-west
";
        let labels = ["zero", "west", "sixty", "south-west"];
        assert_eq!(drawn(&[0.0, 180.0, 60.0, 216.87], &labels, 20), expected);
    }

    #[test]
    fn equal_and_single_points_are_drawn() {
        assert_eq!(drawn(&[10.0, 10.0, 90.0], &["a", "b", "c"], 2), "┬─┬─ a\n│ └─ b\n└─── c\n");
        assert_eq!(drawn(&[10.0, 10.0, 10.0], &["a", "b", "c"], 2).lines().count(), 3);
        assert_eq!(drawn(&[10.0], &["a"], 9), "─ a\n");
    }
}
