use plotters::{
    coord::{
        ranged1d::{AsRangedCoord, ValueFormatter},
        types::RangedCoordf64,
    },
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

use crate::{
    chart::{Chart, text_width, tick},
    palette::{INK, LINE, MUTED, PAPER, Role, series as series_color},
};

/// A line chart of one or more series.
///
/// Points that are not finite or exceed 10³⁰ in magnitude are omitted; on a logarithmic axis, so are values of 10⁻³⁰ or
/// less. Long series are downsampled to the minimum and maximum of each interval.
#[derive(Clone, Debug, Default)]
pub struct LineChart {
    title: String,
    x: String,
    y: String,
    series: Vec<Series>,
    reference: Option<(String, f64)>,
    logarithmic: bool,
}

#[derive(Clone, Debug)]
struct Series {
    name: String,
    points: Vec<(f64, f64)>,
    dots: bool,
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

const SIZE: (u32, u32) = (600, 350);

/// Values of greater magnitude are omitted like infinite ones, since the arithmetic of the axes would overflow.
const MAX_VALUE: f64 = 1e30;

/// Maximum number of points per series, plus the two ends.
const MAX_POINTS: usize = 800;

impl LineChart {
    /// A chart without lines.
    pub fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Sets the axis labels, with units.
    #[must_use]
    pub fn with_axes(self, x: impl Into<String>, y: impl Into<String>) -> Self {
        Self { x: x.into(), y: y.into(), ..self }
    }

    /// Adds a line through `points`, which are in the order of their x.
    #[must_use]
    pub fn with_line(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(name.into(), points.into_iter().collect(), false)
    }

    /// Adds a line with markers at its points, for series of few points.
    #[must_use]
    pub fn with_dots(self, name: impl Into<String>, points: impl IntoIterator<Item = (f64, f64)>) -> Self {
        self.with(name.into(), points.into_iter().collect(), true)
    }

    fn with(mut self, name: String, points: Vec<(f64, f64)>, dots: bool) -> Self {
        self.series.push(Series { name, points, dots });
        self
    }

    /// Adds a horizontal reference line at `y`.
    #[must_use]
    pub fn with_reference(self, name: impl Into<String>, y: f64) -> Self {
        Self { reference: Some((name.into(), y)), ..self }
    }

    /// Makes the vertical axis logarithmic.
    #[must_use]
    pub fn with_logarithmic(self) -> Self {
        Self { logarithmic: true, ..self }
    }

    /// The series with their drawable points.
    fn drawn(&self) -> Vec<(&Series, Vec<(f64, f64)>)> {
        let fits =
            |p: &(f64, f64)| is_drawable(p.0) && is_drawable(p.1) && (!self.logarithmic || p.1 > 1.0 / MAX_VALUE);
        let points = |series: &Series| downsample(series.points.iter().copied().filter(fits).collect());
        self.series.iter().map(|series| (series, points(series))).collect()
    }

    /// The legend's entries: name, color and dash pattern. A single line needs no legend.
    fn legend(&self) -> impl Iterator<Item = (&str, &'static Role, &'static [(i32, i32)])> {
        const LINE: &[(i32, i32)] = &[(0, 18)];
        const DASHES: &[(i32, i32)] = &[(0, 7), (11, 18)];
        let needed = self.series.len() > 1 || self.reference.is_some();
        let series = self.series.iter().enumerate().map(|(n, series)| (&*series.name, series_color(n), LINE));
        let reference = self.reference.iter().map(|(name, _)| (&**name, &MUTED, DASHES));
        series.chain(reference).filter(move |_| needed)
    }

    /// Draws the title and, in a row below it, the legend, where it covers no line.
    fn draw_header(&self, root: &DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn {
        let text = |size: i32, role| ("system-ui, sans-serif", size).into_font().color(&rgb(role));
        let title = text(17, &INK).pos(Pos::new(HPos::Center, VPos::Top));
        root.draw(&Text::new(&*self.title, (SIZE.0 as i32 / 2, 12), title))?;
        let mut x = 72;
        for (name, role, line) in self.legend() {
            for (from, to) in line {
                root.draw(&PathElement::new([(x + from, 48), (x + to, 48)], rgb(role).stroke_width(2)))?;
            }
            root.draw(&Text::new(name, (x + 24, 48), text(13, &MUTED).pos(Pos::new(HPos::Left, VPos::Center))))?;
            x += 24 + text_width(name, 13.0) as i32 + 14;
        }
        Ok(())
    }

    fn draw<Y>(&self, svg: &mut String, x: (f64, f64), y: Y, span: f64) -> Drawn
    where
        Y: AsRangedCoord<Value = f64>,
        Y::CoordDescType: ValueFormatter<f64>,
    {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&rgb(&PAPER))?;
        let text = |size: i32| ("system-ui, sans-serif", size).into_font().color(&rgb(&MUTED));
        self.draw_header(&root)?;
        let mut chart = ChartBuilder::on(&root)
            .margin(10)
            .margin_top(if self.legend().next().is_some() { 62 } else { 40 })
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(62)
            .build_cartesian_2d::<_, Y>(RangedCoordf64::from(x.0..x.1), y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .label_style(text(13))
            .axis_desc_style(text(14))
            .axis_style(rgb(&LINE))
            .bold_line_style(rgb(&LINE))
            .light_line_style(TRANSPARENT)
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|value| tick(*value, x.1 - x.0))
            .y_label_formatter(&|value| tick(*value, span))
            .draw()?;
        if let Some((_, height)) = self.reference.as_ref().filter(|(_, height)| is_drawable(*height)) {
            let line = DashedLineSeries::new([(x.0, *height), (x.1, *height)], 6, 4, rgb(&MUTED).stroke_width(1));
            chart.draw_series(line)?;
        }
        for (n, (series, points)) in self.drawn().into_iter().enumerate() {
            let color = rgb(series_color(n));
            chart.draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))?;
            if series.dots || points.len() == 1 {
                chart.draw_series(points.iter().map(|point| Circle::new(*point, 3, color.filled())))?;
            }
        }
        root.present()?;
        Ok(())
    }
}

impl Chart for LineChart {
    fn title(&self) -> &str {
        &self.title
    }

    fn to_svg(&self) -> String {
        let drawn = self.drawn();
        let all = || drawn.iter().flat_map(|(_, points)| points);
        let reference = self.reference.iter().map(|(_, height)| *height).filter(|height| is_drawable(*height));
        let x = range(all().map(|point| point.0), 0.0);
        let heights = all().map(|point| point.1).chain(reference);
        let mut svg = String::new();
        let drawn = if self.logarithmic {
            let y = range(heights.filter(|height| *height > 1.0 / MAX_VALUE).map(f64::log10), 0.05);
            let (low, high) = (10_f64.powf(y.0), 10_f64.powf(y.1));
            self.draw(&mut svg, x, (low..high).log_scale(), low)
        } else {
            let y = range(heights, 0.05);
            self.draw(&mut svg, x, RangedCoordf64::from(y.0..y.1), y.1 - y.0)
        };
        drawn.expect("writing to a string does not fail");
        svg
    }
}

/// The range of the values plus a margin; a default range if there are no values or all are equal.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let size = low.abs().max(high.abs());
    match high - low {
        span if span == f64::NEG_INFINITY => (0.0, 1.0),
        // a span below the precision of the values counts as 0
        span if span <= 1e-9 * size || span <= 1.0 / MAX_VALUE => {
            (low - 0.5 * size.max(1.0), low + 0.5 * size.max(1.0))
        }
        span => (low - margin * span, high + margin * span),
    }
}

fn is_drawable(value: f64) -> bool {
    value.abs() <= MAX_VALUE
}

/// Downsamples to about [`MAX_POINTS`] points: the minimum and maximum of each interval, and the two ends.
fn downsample(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    if points.len() <= MAX_POINTS {
        return points;
    }
    let interval = points.len().div_ceil(MAX_POINTS / 2 - 1);
    let extremes = points.chunks(interval).flat_map(|chunk| {
        let index = |is_better: fn(&f64, &f64) -> bool| {
            (1..chunk.len()).fold(0, |best, n| if is_better(&chunk[n].1, &chunk[best].1) { n } else { best })
        };
        let (low, high) = (index(f64::lt), index(f64::gt));
        [chunk[low.min(high)], chunk[low.max(high)]]
    });
    [points[0]].into_iter().chain(extremes).chain(points.last().copied()).collect()
}

fn rgb(role: &Role) -> RGBColor {
    let channel = |at| u8::from_str_radix(&role.light[at..at + 2], 16).expect("palette colors are hexadecimal");
    RGBColor(channel(1), channel(3), channel(5))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(chart: &LineChart) -> String {
        let svg = chart.to_svg();
        roxmltree::Document::parse(&svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
        svg
    }

    #[test]
    fn any_values_can_be_drawn() {
        let n = f64::NAN;
        let cases: [&[(f64, f64)]; 8] = [
            &[],
            &[(1.0, 2.0)],
            &[(1.0, 2.0), (2.0, 2.0)],
            &[(1.0, n), (n, 1.0), (2.0, f64::INFINITY), (3.0, 1.0)],
            &[(0.0, 0.0), (0.0, 0.0)],
            &[(1.0, 1e300), (2.0, -1e300)],
            &[(1.0, f64::MAX), (2.0, f64::MIN)],
            &[(1.0, 1e-300), (2.0, 1e-299)],
        ];
        for points in cases {
            let chart = LineChart::new("<a & \"b\">").with_axes("<x>", "&y").with_line("<s>", points.iter().copied());
            let chart = chart.with_dots("t", points.iter().copied()).with_reference("r & s", 1.0);
            parsed(&chart);
            parsed(&chart.clone().with_logarithmic());
            parsed(&chart.with_reference("r", n));
        }
    }

    #[test]
    fn downsampling_keeps_the_extremes() {
        let mut points: Vec<(f64, f64)> = (0..100_000).map(|n| (f64::from(n), f64::from(n % 7))).collect();
        points[54_321].1 = 99.0;
        points[70_000].1 = -99.0;
        let downsampled = downsample(points.clone());
        assert!(downsampled.len() <= MAX_POINTS + 2, "{}", downsampled.len());
        assert!(downsampled.contains(&(54_321.0, 99.0)) && downsampled.contains(&(70_000.0, -99.0)));
        assert_eq!((downsampled[0], downsampled.last()), (points[0], points.last()));
        assert!(downsampled.is_sorted_by(|a, b| a.0 <= b.0));
        assert!(parsed(&LineChart::new("many").with_line("x", points)).len() < 40_000);
    }
}
