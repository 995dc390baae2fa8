//! The loss curve in the terminal.

use elman::lm::{
    LmError,
    train::{Event, Observer},
};
use indicatif::{ProgressBar, ProgressStyle};
use rasciigraph::{Config, plot_many};

const COLUMNS: usize = 60;
const ROWS: u32 = 10;

/// The training loss by step, with the loss of the ideal predictor as a dashed line.
pub struct Curve {
    ideal: f64,
    steps: usize,
    /// Steps and losses.
    losses: Vec<(usize, f64)>,
}

impl Curve {
    /// A curve over `steps` steps, drawn from left to right.
    pub fn new(ideal: f64, steps: usize) -> Self {
        Self { ideal, steps, losses: Vec::new() }
    }

    /// Adds the mean loss of the steps up to `step`.
    pub fn add(&mut self, step: usize, loss: f64) {
        self.losses.push((step, loss));
    }

    /// The curve as text; a column shows the mean loss of its steps.
    pub fn draw(&self) -> String {
        let mut columns = vec![(0.0, 0); COLUMNS];
        for (step, loss) in &self.losses {
            let (sum, count) = &mut columns[(step - 1) * COLUMNS / self.steps];
            (*sum, *count) = (*sum + loss, *count + 1);
        }
        let means = columns.iter().map(|(sum, count)| sum / f64::from(*count)).collect(); // NaN is a gap
        let dashes = (0..COLUMNS).map(|n| if n % 4 < 2 { self.ideal } else { f64::NAN }).collect();
        plot_many(vec![dashes, means], Config::default().with_height(ROWS))
    }
}

/// Draws the curve on standard error during training; without a terminal, prints a line per epoch.
pub struct LiveCurve {
    bar: ProgressBar,
    curve: Curve,
    epochs: usize,
}

impl LiveCurve {
    /// An empty curve, drawn once training starts.
    pub fn new(ideal: f64) -> Self {
        Self { bar: ProgressBar::hidden(), curve: Curve::new(ideal, 1), epochs: 0 }
    }

    /// The curve so far.
    pub fn into_curve(self) -> Curve {
        self.curve
    }
}

impl Observer for LiveCurve {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Start(start) => {
                self.curve.steps = start.steps;
                self.epochs = start.epochs;
                let style = ProgressStyle::with_template("{msg}\n{bar:40} {eta} left").expect("the template is valid");
                self.bar = ProgressBar::new(start.steps as u64).with_style(style);
            }
            Event::Step(step) => self.bar.set_position(step as u64),
            Event::Interval(interval) => {
                self.curve.add(interval.step, interval.loss);
                let (epoch, epochs, loss, ideal) = (interval.epoch, self.epochs, interval.loss, self.curve.ideal);
                let title =
                    format!("epoch {epoch} of {epochs}: loss {loss:.3} (dashes: the ideal predictor, {ideal:.3})");
                self.bar.set_message(format!("{title}\n{}", self.curve.draw()));
            }
            Event::Epoch(epoch, _) => {
                if self.bar.is_hidden() {
                    eprintln!("epoch {} of {}: loss {:.4}", epoch.epoch, self.epochs, epoch.train_loss);
                }
                if epoch.epoch == self.epochs {
                    self.bar.finish_and_clear();
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_curve_grows_from_left_to_right() {
        let mut curve = Curve::new(1.0, 120);
        let width = |curve: &Curve| {
            let rows = curve.draw();
            rows.lines().map(|row| row.trim_end().chars().count()).take(5).max().unwrap()
        };
        curve.add(10, 3.0);
        let start = width(&curve);
        (20..=60).step_by(10).for_each(|step| curve.add(step, 3.0));
        let half = width(&curve);
        (70..=120).step_by(10).for_each(|step| curve.add(step, 2.5));
        assert!(start < half && half < width(&curve), "{}", curve.draw());
        let drawn = curve.draw();
        assert!(drawn.lines().next().unwrap().contains("3.00") && drawn.lines().last().unwrap().contains("1.00"));
        assert!(drawn.lines().all(|row| row.chars().count() < 72), "{drawn}");
    }
}
