use std::path::{Path, PathBuf};

use plotters::prelude::*;

use super::{Event, History, Observer};
use crate::{error::Error, files};

const SIZE: (u32, u32) = (900, 540);
const TRAIN: RGBColor = RGBColor(31, 119, 180);
const VALID: RGBColor = RGBColor(214, 80, 39);

/// Draws the curves of training into an SVG file, anew after every epoch.
#[derive(Clone, Debug)]
pub struct Curves {
    path: PathBuf,
    history: History,
}

impl Curves {
    /// Curves in the file at `path`.
    pub fn new(path: impl AsRef<Path>) -> Self {
        Self { path: path.as_ref().into(), history: History::default() }
    }
}

impl Observer for Curves {
    fn observe(&mut self, event: Event<'_>) -> Result<(), Error> {
        self.history.observe(event)?;
        match event {
            Event::Epoch(..) => files::replace(&self.path, draw_curves(&self.history)?.as_bytes()),
            _ => Ok(()),
        }
    }
}

/// The training and validation loss over the steps, as SVG.
///
/// # Errors
/// [`Error::Plot`].
pub fn draw_curves(history: &History) -> Result<String, Error> {
    let train: Vec<(f64, f64)> = history.intervals.iter().map(|i| (i.step as f64, i.loss)).collect();
    let valid: Vec<(f64, f64)> =
        history.epochs.iter().filter_map(|e| Some((e.step as f64, e.valid.as_ref()?.loss))).collect();
    let mut svg = String::new();
    draw(&mut svg, &train, &valid).map_err(|source| Error::Plot { source })?;
    Ok(svg)
}

type Drawn = Result<(), Box<dyn std::error::Error + Send + Sync>>;

fn draw(svg: &mut String, train: &[(f64, f64)], valid: &[(f64, f64)]) -> Drawn {
    let losses = || train.iter().chain(valid).map(|point| point.1);
    let steps = train.iter().chain(valid).map(|point| point.0).fold(1.0, f64::max);
    let (low, high) = (losses().fold(f64::INFINITY, f64::min), losses().fold(f64::NEG_INFINITY, f64::max));
    // a curve of one height, or none, still needs an axis
    let (low, high) = if low < high { (low, high) } else { (low.min(0.0), low.min(0.0) + 1.0 + high.max(0.0)) };
    let margin = 0.05 * (high - low);

    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption("Loss in training", ("sans-serif", 22))
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..steps, (low - margin)..(high + margin))?;
    chart
        .configure_mesh()
        .x_desc("step")
        .y_desc("loss (nats per token)")
        .label_style(("sans-serif", 14))
        .axis_desc_style(("sans-serif", 16))
        .light_line_style(TRANSPARENT)
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_label_formatter(&|loss| format!("{loss:.2}"))
        .draw()?;
    let key = |color: RGBColor| move |(x, y)| PathElement::new([(x, y), (x + 24, y)], color.stroke_width(2));
    chart.draw_series(LineSeries::new(train.iter().copied(), TRAIN.stroke_width(2)))?.label("train").legend(key(TRAIN));
    if !valid.is_empty() {
        let line = LineSeries::new(valid.iter().copied(), VALID.stroke_width(2));
        chart.draw_series(line)?.label("validation").legend(key(VALID));
        chart.draw_series(valid.iter().map(|point| Circle::new(*point, 4, VALID.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .label_font(("sans-serif", 14))
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
