//! The training loss as a curve in the terminal.

use elman::lm::{
    LmError,
    train::{Event, Observer},
};
use indicatif::{ProgressBar, ProgressStyle};
use rasciigraph::{Config, plot_many};

const COLUMNS: usize = 60;
const ROWS: u32 = 10;

/// The loss over the steps of training, above a dashed line for the ideal predictor's.
pub struct Curve {
    ideal: f64,
    steps: usize,
    /// Step and loss.
    losses: Vec<(usize, f64)>,
}

impl Curve {
    /// A curve of so many steps, to be drawn from left to right.
    pub fn new(ideal: f64, steps: usize) -> Self {
        Self { ideal, steps, losses: Vec::new() }
    }

    /// Adds the mean loss of the steps up to `step`.
    pub fn add(&mut self, step: usize, loss: f64) {
        self.losses.push((step, loss));
    }

    /// The curve as text, each column the mean loss of its steps.
    pub fn draw(&self) -> String {
        let mut columns = vec![(0.0, 0); COLUMNS];
        for (step, loss) in &self.losses {
            let (sum, count) = &mut columns[(step - 1) * COLUMNS / self.steps];
            (*sum, *count) = (*sum + loss, *count + 1);
        }
        let means = columns.iter().map(|(sum, count)| sum / f64::from(*count)).collect(); // NaN leaves a gap
        let dashes = (0..COLUMNS).map(|n| if n % 4 < 2 { self.ideal } else { f64::NAN }).collect();
        plot_many(vec![dashes, means], Config::default().with_height(ROWS))
    }
}

/// Draws the curve on standard error while training goes on, and again at each change; without a terminal, a line for
/// each epoch.
pub struct LiveCurve {
    bar: ProgressBar,
    curve: Curve,
    epochs: usize,
}

impl LiveCurve {
    /// A curve that appears when training starts.
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
    fn the_curve_grows_from_left_to_right_down_to_the_ideal() {
        let mut curve = Curve::new(1.0, 120);
        let width = |curve: &Curve| {
            let rows = curve.draw();
            rows.lines().map(|row| row.trim_end().chars().count()).take(5).max().unwrap()
        };
        curve.add(10, 3.0);
        let begin = width(&curve);
        (20..=60).step_by(10).for_each(|step| curve.add(step, 3.0));
        let half = width(&curve);
        (70..=120).step_by(10).for_each(|step| curve.add(step, 2.5));
        assert!(begin < half && half < width(&curve), "{}", curve.draw());
        let drawn = curve.draw();
        assert!(drawn.lines().next().unwrap().contains("3.00") && drawn.lines().last().unwrap().contains("1.00"));
        assert!(drawn.lines().all(|row| row.chars().count() < 72), "{drawn}");
    }
}
