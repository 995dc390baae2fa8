use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Epoch, Interval};
use crate::{error::LmError, evaluate::read};

/// Measures training: losses and norms wait on the device and are read together, so that a GPU is not stopped at every
/// step.
pub(super) struct Meter {
    run: Stopwatch,
    epoch: Stopwatch,
    interval: Stopwatch,
    waiting: Vec<Waiting>,
    /// The interval's steps that have been read.
    figures: Vec<Figures>,
    sums: EpochSums,
}

/// A step whose figures are still on the device.
struct Waiting {
    /// Loss and gradient norm, `[2]`.
    figures: Tensor<1>,
    steps: usize,
    rows: usize,
}

/// A step over `rows` columns of `steps` tokens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Figures {
    loss: f32,
    gradient_norm: f32,
    steps: usize,
    rows: usize,
}

/// Sums over the intervals of an epoch.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct EpochSums {
    tokens: usize,
    /// Loss × time steps.
    loss: f64,
    steps: usize,
}

/// What a checkpoint remembers of a meter.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MeterRecord {
    run: Duration,
    epoch: Duration,
    interval: Duration,
    figures: Vec<Figures>,
    sums: EpochSums,
}

impl MeterRecord {
    /// That a meter can go on from it, `read` windows of `bptt` tokens in `rows` columns having been read in an epoch of
    /// `windows`.
    pub(super) fn check(&self, read: usize, windows: usize, bptt: usize, rows: usize) -> Result<(), String> {
        /// A century.
        const LONGEST: Duration = Duration::from_secs(100 * 366 * 86_400);
        if [self.run, self.epoch, self.interval].iter().any(|time| *time > LONGEST) {
            return Err("its times are longer than a century".into());
        }
        let good = |f: &Figures| {
            f.loss.is_finite() && f.gradient_norm.is_finite() && (1..=bptt).contains(&f.steps) && f.rows == rows
        };
        let sums = &self.sums;
        let whole =
            sums.loss.is_finite() && sums.steps <= windows * bptt && sums.tokens == sums.steps.saturating_mul(rows);
        if self.figures.len() > windows || !self.figures.iter().all(good) || !whole {
            return Err("its losses are not those of a run".into());
        }
        let steps = sums.steps + self.figures.iter().map(|figures| figures.steps).sum::<usize>();
        // before an epoch the sums are of the one before; its last window may be shorter
        let expected = (read * bptt).saturating_sub(if read == windows { bptt - 1 } else { 0 })..=read * bptt;
        if read > 0 && !expected.contains(&steps) {
            return Err(format!("its losses are of {steps} time steps, and {} were read", read * bptt));
        }
        Ok(())
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        let [run, epoch, interval] = [Stopwatch::from(Duration::ZERO); 3];
        Self { run, epoch, interval, waiting: Vec::new(), figures: Vec::new(), sums: EpochSums::default() }
    }

    /// The meter goes on where the record was made, without the time between.
    pub(super) fn from_record(record: MeterRecord) -> Self {
        let [run, epoch, interval] = [record.run, record.epoch, record.interval].map(Stopwatch::from);
        Self { run, epoch, interval, waiting: Vec::new(), figures: record.figures, sums: record.sums }
    }

    /// What is needed to go on, all waiting steps having been [settled](Self::settle).
    pub(super) fn record(&self) -> MeterRecord {
        let [run, epoch, interval] = [&self.run, &self.epoch, &self.interval].map(Stopwatch::elapsed);
        MeterRecord { run, epoch, interval, figures: self.figures.clone(), sums: self.sums.clone() }
    }

    pub(super) fn begin_epoch(&mut self) {
        self.epoch = Stopwatch::from(Duration::ZERO);
        self.interval = self.epoch;
        self.sums = EpochSums::default();
    }

    /// Notes a step over `rows` columns of `steps` tokens.
    pub(super) fn add(&mut self, loss: Tensor<1>, norm: Tensor<1>, steps: usize, rows: usize) {
        self.waiting.push(Waiting { figures: Tensor::cat(vec![loss, norm], 0), steps, rows });
    }

    /// Seconds since training began.
    pub(super) fn seconds(&self) -> f64 {
        self.run.elapsed().as_secs_f64()
    }

    /// Reads the waiting steps, `step` being the last of them.
    ///
    /// # Errors
    /// [`LmError::Diverged`] at the first figure that is not finite.
    pub(super) fn settle(&mut self, step: usize) -> Result<(), LmError> {
        let waiting = std::mem::take(&mut self.waiting);
        let first = step + 1 - waiting.len();
        let counts: Vec<(usize, usize)> = waiting.iter().map(|w| (w.steps, w.rows)).collect();
        let figures = read(waiting.into_iter().map(|w| w.figures).collect());
        for (n, (figures, (steps, rows))) in figures.chunks_exact(2).zip(counts).enumerate() {
            let [loss, gradient_norm] = [figures[0], figures[1]];
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(LmError::Diverged { step: first + n, loss, gradient_norm });
            }
            self.figures.push(Figures { loss, gradient_norm, steps, rows });
        }
        Ok(())
    }

    /// Closes the interval, `step` being the last of it.
    pub(super) fn interval(&mut self, epoch: usize, step: usize, learning_rate: f64) -> Result<Interval, LmError> {
        self.settle(step)?;
        let figures = std::mem::take(&mut self.figures);
        let (mut loss_sum, mut norm_sum, mut steps, mut tokens) = (0.0, 0.0, 0, 0);
        for figures in &figures {
            loss_sum += f64::from(figures.loss) * figures.steps as f64;
            norm_sum += f64::from(figures.gradient_norm);
            steps += figures.steps;
            tokens += figures.steps * figures.rows;
        }
        self.sums.loss += loss_sum;
        self.sums.steps += steps;
        self.sums.tokens += tokens;
        let loss = loss_sum / steps as f64;
        let tokens_per_second = tokens as f64 / self.interval.elapsed().as_secs_f64();
        self.interval = Stopwatch::from(Duration::ZERO);
        Ok(Interval {
            epoch,
            step,
            loss,
            perplexity: loss.exp(),
            gradient_norm: norm_sum / figures.len() as f64,
            learning_rate,
            tokens_per_second,
            seconds: self.seconds(),
        })
    }

    /// The epoch's figures, all intervals having been closed; not yet validated.
    pub(super) fn epoch(&self, epoch: usize, step: usize, learning_rate: f64) -> Epoch {
        Epoch {
            epoch,
            step,
            train_loss: self.sums.loss / self.sums.steps as f64,
            valid: None,
            best: false,
            learning_rate,
            tokens_per_second: self.sums.tokens as f64 / self.epoch.elapsed().as_secs_f64(),
            seconds: self.seconds(),
        }
    }
}

/// Measures time that was begun in another process.
#[derive(Clone, Copy)]
struct Stopwatch {
    begin: Instant,
    before: Duration,
}

impl From<Duration> for Stopwatch {
    /// Goes on from `before`.
    fn from(before: Duration) -> Self {
        Self { begin: Instant::now(), before }
    }
}

impl Stopwatch {
    fn elapsed(&self) -> Duration {
        self.before + self.begin.elapsed()
    }
}
