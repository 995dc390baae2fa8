use maud::html;

use crate::{
    chart::{Anchor, Chart, document, label, legend, round, text_width},
    palette::{INK, LINE, series},
};

/// A scatter plot of labeled points, colored by group.
#[derive(Clone, Debug, Default)]
pub struct ScatterMap {
    title: String,
    points: Vec<Point>,
}

#[derive(Clone, Debug)]
struct Point {
    x: f64,
    y: f64,
    name: String,
    group: String,
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 520.0;
const FONT_SIZE: f64 = 13.0;

impl ScatterMap {
    /// A plot without points.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), points: Vec::new() }
    }

    /// Adds a point. Points that are not finite are not drawn.
    #[must_use]
    pub fn with_point(mut self, x: f64, y: f64, name: impl Into<String>, group: impl Into<String>) -> Self {
        self.points.push(Point { x, y, name: name.into(), group: group.into() });
        self
    }

    fn groups(&self) -> Vec<String> {
        distinct(self.points.iter().map(|point| &point.group))
    }
}

/// The distinct names, in order of first occurrence.
pub(crate) fn distinct<'a>(names: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    all
}

impl Chart for ScatterMap {
    fn title(&self) -> &str {
        &self.title
    }

    fn to_svg(&self) -> String {
        let groups = self.groups();
        let points: Vec<&Point> = self.points.iter().filter(|p| p.x.is_finite() && p.y.is_finite()).collect();
        let scale = |values: Vec<f64>, from: f64, to: f64| -> Vec<f64> {
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let span = values.iter().copied().fold(f64::NEG_INFINITY, f64::max) - low;
            let fraction = |v| if span > 0.0 && span.is_finite() { (v - low) / span } else { 0.5 };
            values.into_iter().map(|v| from + (to - from) * fraction(v)).collect()
        };
        let x = scale(points.iter().map(|point| point.x).collect(), 50.0, WIDTH - 90.0);
        let y = scale(points.iter().map(|point| point.y).collect(), HEIGHT - 60.0, 70.0);
        let names: Vec<&str> = points.iter().map(|point| &*point.name).collect();
        let labels = place_labels(&x, &y, &names);
        let content = html! {
            rect x="16" y="42" width=(WIDTH - 32.0) height=(HEIGHT - 84.0) rx="6" fill="none" stroke=(LINE.light) {}
            @for (n, point) in points.iter().enumerate() {
                @let color = series(groups.iter().position(|group| *group == point.group).unwrap_or(0));
                circle cx=(round(x[n])) cy=(round(y[n])) r="4" fill=(color.light) {}
                (label(labels[n].anchor, labels[n].x, labels[n].y, FONT_SIZE, &INK, &point.name))
            }
            (legend(24.0, HEIGHT - 16.0, &groups))
        };
        document(WIDTH, HEIGHT, &self.title, &content)
    }
}

struct Label {
    anchor: Anchor,
    x: f64,
    y: f64,
}

/// A rectangle: left, top, right, bottom.
type Rect = [f64; 4];

/// The area of the intersection.
fn overlap(a: &Rect, b: &Rect) -> f64 {
    let width = a[2].min(b[2]) - a[0].max(b[0]);
    let height = a[3].min(b[3]) - a[1].max(b[1]);
    if width > 0.0 && height > 0.0 { width * height } else { 0.0 }
}

/// Places each label next to its point, where it overlaps points and earlier labels the least.
fn place_labels(x: &[f64], y: &[f64], names: &[&str]) -> Vec<Label> {
    let mut occupied: Vec<Rect> = x.iter().zip(y).map(|(x, y)| [x - 5.0, y - 5.0, x + 5.0, y + 5.0]).collect();
    let mut labels = Vec::new();
    for ((x, y), name) in x.iter().zip(y).zip(names) {
        let width = text_width(name, FONT_SIZE);
        let sides = [
            (Anchor::Start, 8.0, 4.0),
            (Anchor::End, -8.0, 4.0),
            (Anchor::Middle, 0.0, -9.0),
            (Anchor::Middle, 0.0, 18.0),
        ];
        let diagonal = [
            (Anchor::Start, 6.0, -7.0),
            (Anchor::Start, 6.0, 15.0),
            (Anchor::End, -6.0, -7.0),
            (Anchor::End, -6.0, 15.0),
        ];
        let far = [
            (Anchor::Start, 8.0, -20.0),
            (Anchor::Start, 8.0, 28.0),
            (Anchor::End, -8.0, -20.0),
            (Anchor::End, -8.0, 28.0),
        ];
        let candidates = sides.into_iter().chain(diagonal).chain(far).map(|(anchor, dx, dy)| {
            let (x, y) = (x + dx, y + dy);
            let left = match anchor {
                Anchor::Start => x,
                Anchor::Middle => x - width / 2.0,
                Anchor::End => x - width,
            };
            (Label { anchor, x, y }, [left, y - FONT_SIZE + 2.0, left + width, y + 3.0])
        });
        let cost = |found: &Rect| occupied.iter().map(|other| overlap(found, other)).sum::<f64>();
        let best = candidates.min_by(|a, b| cost(&a.1).total_cmp(&cost(&b.1))).expect("there are candidates");
        occupied.push(best.1);
        labels.push(best.0);
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_points_can_be_drawn() {
        let map = || ScatterMap::new("<a & b>");
        let many = (0..50).fold(map(), |map, n| map.with_point(1.0, 1.0, format!("<{n}>"), "&"));
        let odd = map().with_point(f64::NAN, 0.0, "nowhere", "g").with_point(0.0, f64::INFINITY, "far", "h");
        let huge = map().with_point(f64::MAX, 0.0, "a", "g").with_point(f64::MIN, 0.0, "b", "g");
        for map in [map(), map().with_point(3.0, 4.0, "one", "g"), many, odd, huge] {
            let svg = map.to_svg();
            let document = roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
            assert!(!svg.contains("NaN") && !svg.contains("inf"));
            drop(document);
        }
    }

    #[test]
    fn labels_of_close_points_do_not_overlap() {
        let (x, y) = ([100.0, 104.0, 108.0], [100.0, 102.0, 98.0]);
        let labels = place_labels(&x, &y, &["monster", "dragon", "mouse"]);
        let rect_of = |label: &Label, name: &str| {
            let width = text_width(name, FONT_SIZE);
            let left = match label.anchor {
                Anchor::Start => label.x,
                Anchor::Middle => label.x - width / 2.0,
                Anchor::End => label.x - width,
            };
            [left, label.y - FONT_SIZE + 2.0, left + width, label.y + 3.0]
        };
        let rects = [rect_of(&labels[0], "monster"), rect_of(&labels[1], "dragon"), rect_of(&labels[2], "mouse")];
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            assert_eq!(overlap(&rects[a], &rects[b]), 0.0);
        }
    }
}
