use std::time::{Duration, Instant};

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::{Epoch, Interval};
use crate::{error::LmError, evaluate::read};

/// Measures training. Losses and norms stay on the device and are read together, so that a GPU is not synchronized at
/// every step.
pub(super) struct Meter {
    run: Stopwatch,
    epoch: Stopwatch,
    interval: Stopwatch,
    pending: Vec<PendingStep>,
    /// The interval's steps that have been read.
    metrics: Vec<StepMetrics>,
    sums: EpochSums,
}

/// A step whose metrics are still on the device.
struct PendingStep {
    /// Loss and gradient norm, `[2]`.
    metrics: Tensor<1>,
    steps: usize,
    rows: usize,
}

/// The metrics of a step over `rows` columns of `steps` tokens.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StepMetrics {
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

/// The part of a meter that checkpoints store.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct MeterRecord {
    run: Duration,
    epoch: Duration,
    interval: Duration,
    figures: Vec<StepMetrics>,
    sums: EpochSums,
}

impl MeterRecord {
    /// Checks that the record is valid after `read` of `windows` windows of an epoch, each of `bptt` tokens in `rows`
    /// columns.
    pub(super) fn check(&self, read: usize, windows: usize, bptt: usize, rows: usize) -> Result<(), String> {
        /// 100 years.
        const MAX_TIME: Duration = Duration::from_secs(100 * 366 * 86_400);
        if [self.run, self.epoch, self.interval].iter().any(|time| *time > MAX_TIME) {
            return Err("its times are longer than 100 years".into());
        }
        let good = |f: &StepMetrics| {
            f.loss.is_finite() && f.gradient_norm.is_finite() && (1..=bptt).contains(&f.steps) && f.rows == rows
        };
        let sums = &self.sums;
        let whole =
            sums.loss.is_finite() && sums.steps <= windows * bptt && sums.tokens == sums.steps.saturating_mul(rows);
        if self.figures.len() > windows || !self.figures.iter().all(good) || !whole {
            return Err("its losses are inconsistent".into());
        }
        let steps = sums.steps + self.figures.iter().map(|step| step.steps).sum::<usize>();
        // before an epoch the sums are those of the previous one; its last window may be shorter
        let expected = (read * bptt).saturating_sub(if read == windows { bptt - 1 } else { 0 })..=read * bptt;
        if read > 0 && !expected.contains(&steps) {
            return Err(format!("its losses are of {steps} time steps instead of {}", read * bptt));
        }
        Ok(())
    }
}

impl Meter {
    pub(super) fn new() -> Self {
        let [run, epoch, interval] = [Stopwatch::from(Duration::ZERO); 3];
        Self { run, epoch, interval, pending: Vec::new(), metrics: Vec::new(), sums: EpochSums::default() }
    }

    /// Continues from a record, without the time in between.
    pub(super) fn from_record(record: MeterRecord) -> Self {
        let [run, epoch, interval] = [record.run, record.epoch, record.interval].map(Stopwatch::from);
        Self { run, epoch, interval, pending: Vec::new(), metrics: record.figures, sums: record.sums }
    }

    /// The record for a checkpoint. Pending steps must have been [read](Self::read_pending).
    pub(super) fn record(&self) -> MeterRecord {
        let [run, epoch, interval] = [&self.run, &self.epoch, &self.interval].map(Stopwatch::elapsed);
        MeterRecord { run, epoch, interval, figures: self.metrics.clone(), sums: self.sums.clone() }
    }

    pub(super) fn begin_epoch(&mut self) {
        self.epoch = Stopwatch::from(Duration::ZERO);
        self.interval = self.epoch;
        self.sums = EpochSums::default();
    }

    /// Adds a step over `rows` columns of `steps` tokens.
    pub(super) fn add(&mut self, loss: Tensor<1>, norm: Tensor<1>, steps: usize, rows: usize) {
        self.pending.push(PendingStep { metrics: Tensor::cat(vec![loss, norm], 0), steps, rows });
    }

    /// Seconds since training started.
    pub(super) fn seconds(&self) -> f64 {
        self.run.elapsed().as_secs_f64()
    }

    /// Reads the metrics of all pending steps, the last of which is `step`.
    ///
    /// # Errors
    /// [`LmError::Diverged`] at the first loss or norm that is not finite.
    pub(super) fn read_pending(&mut self, step: usize) -> Result<(), LmError> {
        let pending = std::mem::take(&mut self.pending);
        let first = step + 1 - pending.len();
        let counts: Vec<(usize, usize)> = pending.iter().map(|step| (step.steps, step.rows)).collect();
        let metrics = read(pending.into_iter().map(|step| step.metrics).collect());
        for (n, (metrics, (steps, rows))) in metrics.chunks_exact(2).zip(counts).enumerate() {
            let [loss, gradient_norm] = [metrics[0], metrics[1]];
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(LmError::Diverged { step: first + n, loss, gradient_norm });
            }
            self.metrics.push(StepMetrics { loss, gradient_norm, steps, rows });
        }
        Ok(())
    }

    /// Ends the interval, whose last step is `step`.
    pub(super) fn interval(&mut self, epoch: usize, step: usize, learning_rate: f64) -> Result<Interval, LmError> {
        self.read_pending(step)?;
        let metrics = std::mem::take(&mut self.metrics);
        let (mut loss_sum, mut norm_sum, mut steps, mut tokens) = (0.0, 0.0, 0, 0);
        for step in &metrics {
            loss_sum += f64::from(step.loss) * step.steps as f64;
            norm_sum += f64::from(step.gradient_norm);
            steps += step.steps;
            tokens += step.steps * step.rows;
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
            gradient_norm: norm_sum / metrics.len() as f64,
            learning_rate,
            tokens_per_second,
            seconds: self.seconds(),
        })
    }

    /// The epoch's metrics without validation. All intervals must have ended.
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

/// Measures time that may have started in another process.
#[derive(Clone, Copy)]
struct Stopwatch {
    start: Instant,
    before: Duration,
}

impl From<Duration> for Stopwatch {
    /// Continues from `before`.
    fn from(before: Duration) -> Self {
        Self { start: Instant::now(), before }
    }
}

impl Stopwatch {
    fn elapsed(&self) -> Duration {
        self.before + self.start.elapsed()
    }
}
