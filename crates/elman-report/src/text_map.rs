use maud::{DOCTYPE, PreEscaped, html};
use serde::Serialize;

use crate::{page::GENERATOR, palette, policy::policy};

/// An interactive HTML page with texts as points of a scatter plot.
///
/// Points have the color and shape of their group, which a legend names. Hovering over a point shows its text, a click
/// pins it; texts can be searched; the map is panned and zoomed by mouse, touch or keyboard. Like a
/// [`Page`](crate::Page) it is one file that loads nothing and follows the reader's theme. It needs JavaScript; the
/// script is inline.
///
/// ```
/// use elman_report::{Dot, TextMap};
///
/// let cats = [Dot { x: 0.1, y: 2.0, id: "notes:1".into(), text: "a cat sat".into() }];
/// let map = TextMap::new("Notes").with_group("cat, sat", cats);
/// assert!(map.to_html().contains("a cat sat"));
/// ```
#[derive(Clone, Debug)]
pub struct TextMap {
    title: String,
    lead: String,
    groups: Vec<(String, Vec<Dot>)>,
}

/// A text on a [`TextMap`].
#[derive(Clone, Debug)]
pub struct Dot {
    /// Horizontal coordinate, in any unit.
    pub x: f64,
    /// Vertical coordinate (upward), in the same unit.
    pub y: f64,
    /// The id.
    pub id: String,
    /// The text.
    pub text: String,
}

/// The longer side of the map in integer coordinates: fine enough for the maximum zoom.
const SIDE: f64 = 20_000.0;

#[derive(Serialize)]
struct Group<'a> {
    name: &'a str,
    x: Vec<i32>,
    y: Vec<i32>,
    id: Vec<&'a str>,
    text: Vec<&'a str>,
}

impl TextMap {
    /// A map without points.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), lead: String::new(), groups: Vec::new() }
    }

    /// Sets the sentence next to the title.
    #[must_use]
    pub fn with_lead(self, text: impl Into<String>) -> Self {
        Self { lead: text.into(), ..self }
    }

    /// Adds a named group of points. Points that are not finite are not drawn. The first eight groups differ in color,
    /// up to 32 in color or shape.
    #[must_use]
    pub fn with_group(mut self, name: impl Into<String>, dots: impl IntoIterator<Item = Dot>) -> Self {
        let finite = dots.into_iter().filter(|dot| dot.x.is_finite() && dot.y.is_finite());
        self.groups.push((name.into(), finite.collect()));
        self
    }

    /// The page as HTML.
    pub fn to_html(&self) -> String {
        let style = palette::style() + STYLE;
        let page = html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="generator" content=(GENERATOR);
                    meta http-equiv="Content-Security-Policy" content=(policy(&style, Some(SCRIPT)));
                    title { (self.title) }
                    style { (PreEscaped(style)) }
                }
                body {
                    header {
                        h1 { (self.title) }
                        p { (self.lead) }
                        div.tools {
                            input #find type="search" placeholder="Search the texts" aria-label="Search the texts"
                                autocomplete="off" spellcheck="false";
                            output #found for="find" {}
                        }
                    }
                    div #stage {
                        canvas #plot tabindex="0" role="application" aria-label="The map" aria-describedby="keys" {}
                        div.zoom {
                            button #zoom-in type="button" aria-label="Zoom in" { "+" }
                            button #zoom-out type="button" aria-label="Zoom out" { "−" }
                            button #show-all type="button" aria-label="Show all" { "⤢" }
                        }
                        section #card hidden aria-live="polite" {
                            button #close type="button" aria-label="Close" { "×" }
                            p.group { span.key {} span.name {} }
                            p.text {}
                            p.id {}
                        }
                    }
                    nav aria-label="Clusters" { ul #legend {} }
                    p #keys {
                        "Drag to pan, scroll or pinch to zoom, click a point to pin its text, click a cluster to show "
                        "only it. Keys on the map: arrows to pan, + and − to zoom, 0 to show all, N and P for the next "
                        "and previous match, Escape to deselect."
                    }
                    noscript { p { "This map needs JavaScript. The script is in the page; nothing is loaded." } }
                    script #data type="application/json" { (PreEscaped(self.data())) }
                    script { (PreEscaped(SCRIPT)) }
                }
            }
        };
        page.into_string() + "\n"
    }

    /// The points as JSON without `<` and `&`, which is safe inside a script element.
    fn data(&self) -> String {
        let range = |axis: fn(&Dot) -> f64| {
            let values = self.groups.iter().flat_map(|(_, dots)| dots).map(axis);
            values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
        };
        let ((low_x, high_x), (low_y, high_y)) = (range(|dot| dot.x), range(|dot| dot.y));
        // halved, since the full range may overflow to infinity
        let half = (high_x / 2.0 - low_x / 2.0).max(high_y / 2.0 - low_y / 2.0);
        let coordinate = |low: f64, value: f64| match half > 0.0 {
            true => ((value / 2.0 - low / 2.0) / half * SIDE).round() as i32,
            false => 0,
        };
        let group = |(name, dots): &'_ (String, Vec<Dot>)| {
            let (x, y) =
                (dots.iter().map(|dot| coordinate(low_x, dot.x)), dots.iter().map(|dot| coordinate(low_y, dot.y)));
            serde_json::to_string(&Group {
                name,
                x: x.collect(),
                y: y.collect(),
                id: dots.iter().map(|dot| &*dot.id).collect(),
                text: dots.iter().map(|dot| &*dot.text).collect(),
            })
            .expect("numbers and texts are valid JSON")
        };
        let groups: Vec<String> = self.groups.iter().map(group).collect();
        format!("[{}]", groups.join(",")).replace('<', "\\u003c").replace('&', "\\u0026")
    }
}

const STYLE: &str = include_str!("text_map.css");
const SCRIPT: &str = include_str!("text_map.js");

#[cfg(test)]
mod tests {
    use super::*;

    fn dot(x: f64, y: f64, text: &str) -> Dot {
        Dot { x, y, id: text.into(), text: text.into() }
    }

    fn data(map: &TextMap) -> serde_json::Value {
        let html = map.to_html();
        let (_, rest) = html.split_once("<script id=\"data\" type=\"application/json\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    }

    #[test]
    fn user_text_is_escaped() {
        let hostile = "</script><script>alert(1)</script><!-- <style> &lt; \u{2028} \" \\ \u{0}";
        let map = TextMap::new(hostile).with_lead(hostile).with_group(hostile, [dot(0.0, 0.0, hostile)]);
        let html = map.to_html();
        assert_eq!((html.matches("<script").count(), html.matches("</script").count()), (2, 2));
        assert!(!html.contains("<!--") && !html.contains("alert(1)</script"));
        let data = data(&map);
        for text in [&data[0]["name"], &data[0]["id"][0], &data[0]["text"][0]] {
            assert_eq!(text, hostile);
        }
    }

    #[test]
    fn pages_load_no_external_resources() {
        let html = TextMap::new("a").with_group("b", [dot(0.0, 0.0, "c")]).to_html();
        for reference in
            ["http:", "https:", "src=", "href=", "@import", "url(", "import(", "fetch(", "innerHTML", "eval("]
        {
            assert!(!html.contains(reference), "{reference}");
        }
    }

    #[test]
    fn coordinates_keep_their_proportions() {
        let map = TextMap::new("").with_group("a", [dot(-1.0, 5.0, "p"), dot(f64::NAN, 0.0, "q")]);
        let map = map.with_group("b", [dot(1.0, 6.0, "r"), dot(0.0, f64::INFINITY, "s")]);
        let data = data(&map);
        assert_eq!((&data[0]["x"][0], &data[0]["y"][0]), (&0.into(), &0.into()));
        assert_eq!((&data[1]["x"][0], &data[1]["y"][0]), (&20_000.into(), &10_000.into()));
        assert_eq!((&data[0]["text"], &data[1]["text"]), (&serde_json::json!(["p"]), &serde_json::json!(["r"])));
    }

    #[test]
    fn any_points_can_be_drawn() {
        let points = [vec![], vec![dot(3.0, 4.0, "")], vec![dot(f64::MAX, 0.0, ""), dot(f64::MIN, 0.0, "")]];
        for points in points {
            let count = points.len();
            let data = data(&TextMap::new("").with_group("", points));
            assert_eq!(data[0]["x"].as_array().unwrap().len(), count);
        }
        assert_eq!(data(&TextMap::new("")), serde_json::json!([]));
    }
}
