use std::time::Instant;

use burn::tensor::Tensor;

use super::{Epoch, Interval};
use crate::{error::Error, evaluate::read};

/// Measures training: losses and norms wait on the device and are read together, so that a GPU is not stopped at every
/// step.
pub(super) struct Meter {
    begin: Instant,
    epoch_begin: Instant,
    interval_begin: Instant,
    waiting: Vec<Waiting>,
    epoch_tokens: usize,
    /// Sum over the epoch of loss × time steps.
    epoch_loss: f64,
    epoch_steps: usize,
}

/// A step whose figures are still on the device.
struct Waiting {
    /// Loss and gradient norm, `[2]`.
    figures: Tensor<1>,
    steps: usize,
    rows: usize,
}

impl Meter {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            begin: now,
            epoch_begin: now,
            interval_begin: now,
            waiting: Vec::new(),
            epoch_tokens: 0,
            epoch_loss: 0.0,
            epoch_steps: 0,
        }
    }

    pub(super) fn begin_epoch(&mut self) {
        self.epoch_begin = Instant::now();
        self.interval_begin = self.epoch_begin;
        (self.epoch_tokens, self.epoch_loss, self.epoch_steps) = (0, 0.0, 0);
    }

    /// Notes a step over `rows` columns of `steps` tokens.
    pub(super) fn add(&mut self, loss: Tensor<1>, norm: Tensor<1>, steps: usize, rows: usize) {
        self.waiting.push(Waiting { figures: Tensor::cat(vec![loss, norm], 0), steps, rows });
    }

    /// Seconds since training began.
    pub(super) fn seconds(&self) -> f64 {
        self.begin.elapsed().as_secs_f64()
    }

    /// Reads the waiting steps, `step` being the last of them.
    pub(super) fn read(&mut self, epoch: usize, step: usize, learning_rate: f64) -> Result<Interval, Error> {
        let waiting = std::mem::take(&mut self.waiting);
        let counts: Vec<(usize, usize)> = waiting.iter().map(|w| (w.steps, w.rows)).collect();
        let figures = read(waiting.into_iter().map(|w| w.figures).collect());
        let (mut loss_sum, mut norm_sum, mut steps, mut tokens) = (0.0, 0.0, 0, 0);
        for (n, (figures, count)) in figures.chunks_exact(2).zip(&counts).enumerate() {
            let [loss, gradient_norm] = [figures[0], figures[1]];
            if !loss.is_finite() || !gradient_norm.is_finite() {
                return Err(Error::Diverged { step: step + 1 + n - counts.len(), loss, gradient_norm });
            }
            loss_sum += f64::from(loss) * count.0 as f64;
            norm_sum += f64::from(gradient_norm);
            steps += count.0;
            tokens += count.0 * count.1;
        }
        self.epoch_loss += loss_sum;
        self.epoch_steps += steps;
        self.epoch_tokens += tokens;
        let loss = loss_sum / steps as f64;
        let tokens_per_second = tokens as f64 / self.interval_begin.elapsed().as_secs_f64();
        self.interval_begin = Instant::now();
        Ok(Interval {
            epoch,
            step,
            loss,
            perplexity: loss.exp(),
            gradient_norm: norm_sum / counts.len() as f64,
            learning_rate,
            tokens_per_second,
            seconds: self.seconds(),
        })
    }

    /// The epoch's figures, all steps having been read; not yet validated.
    pub(super) fn epoch(&self, epoch: usize, step: usize, learning_rate: f64) -> Epoch {
        Epoch {
            epoch,
            step,
            train_loss: self.epoch_loss / self.epoch_steps as f64,
            valid: None,
            best: false,
            learning_rate,
            tokens_per_second: self.epoch_tokens as f64 / self.epoch_begin.elapsed().as_secs_f64(),
            seconds: self.seconds(),
        }
    }
}
