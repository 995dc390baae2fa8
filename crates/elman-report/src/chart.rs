use maud::{Markup, html};

use crate::palette::{INK, MUTED, PAPER, Role};

/// A chart, drawn on a page or saved as an SVG file.
pub trait Chart {
    /// The title, one line.
    fn title(&self) -> &str;

    /// The chart as a complete SVG document, in the colors of the light theme.
    fn to_svg(&self) -> String;
}

/// The font family of charts.
pub(crate) const FONT: &str = "system-ui, sans-serif";

/// Estimates the width of a text in pixels.
pub(crate) fn text_width(text: &str, size: f64) -> f64 {
    0.58 * size * text.chars().count() as f64
}

/// Wraps `content` in an SVG document with a title above it.
pub(crate) fn document(width: f64, height: f64, title: &str, content: &Markup) -> String {
    let document = html! {
        svg xmlns="http://www.w3.org/2000/svg" width=(width) height=(height) viewBox=(format!("0 0 {width} {height}"))
            role="img" aria-label=(title) font-family=(FONT) {
            rect width=(width) height=(height) fill=(PAPER.light) {}
            (label(Anchor::Middle, width / 2.0, 24.0, 16.0, &INK, title))
            (content)
        }
    };
    document.into_string()
}

/// Horizontal alignment of a text relative to its point.
#[derive(Clone, Copy)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

pub(crate) fn label(anchor: Anchor, x: f64, y: f64, size: f64, color: &Role, text: &str) -> Markup {
    let anchor = match anchor {
        Anchor::Start => "start",
        Anchor::Middle => "middle",
        Anchor::End => "end",
    };
    html! {
        text x=(round(x)) y=(round(y)) font-size=(size) text-anchor=(anchor) fill=(color.light) { (text) }
    }
}

/// A legend: the names of the groups and their colors, in a row that starts at the point.
pub(crate) fn legend(x: f64, y: f64, groups: &[String]) -> Markup {
    const DOT: f64 = 13.0;
    const GAP: f64 = 16.0;
    let starts = groups.iter().scan(x, |next, group| {
        let start = *next;
        *next += DOT + text_width(group, 12.0) + GAP;
        Some(start)
    });
    html! {
        @for (n, (group, start)) in groups.iter().zip(starts).enumerate() {
            circle cx=(round(start + 4.0)) cy=(round(y - 4.0)) r="4" fill=(crate::palette::series(n).light) {}
            (label(Anchor::Start, start + DOT, y, 12.0, &MUTED, group))
        }
    }
}

/// Rounds to two decimals, which is precise enough and keeps pages small.
pub(crate) fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Formats an axis tick, as short as its magnitude and the span of the axis permit.
pub(crate) fn tick(value: f64, span: f64) -> String {
    let large = value.abs().max(span);
    match large {
        _ if value == 0.0 => "0".into(),
        1e9.. => format!("{value:.1e}"),
        1e6.. => trim(format!("{:.2}", value / 1e6)) + "M",
        1e4.. => trim(format!("{:.1}", value / 1e3)) + "k",
        ..1e-4 => format!("{value:.0e}"),
        _ => {
            let decimals = (2.0 - span.log10().floor()).clamp(0.0, 8.0) as usize;
            trim(format!("{value:.decimals$}"))
        }
    }
}

fn trim(number: String) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_short() {
        for (value, span, text) in [
            (0.0, 3.0, "0"),
            (2.5, 3.0, "2.5"),
            (2.54, 0.3, "2.54"),
            (0.0015, 0.002, "0.0015"),
            (1e-7, 1e-7, "1e-7"),
            (120.0, 500.0, "120"),
            (12_500.0, 50_000.0, "12.5k"),
            (3_000_000.0, 5e6, "3M"),
            (-2.0, 4.0, "-2"),
            (1.5e12, 1e12, "1.5e12"),
        ] {
            assert_eq!(tick(value, span), text);
        }
    }
}
