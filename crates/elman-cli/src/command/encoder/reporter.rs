use std::{
    fs::File,
    io::{IsTerminal, Write},
    path::Path,
    time::{Duration, Instant},
};

use elman::embedding::train::Event;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use crate::error::CliError;

/// Shows progress on standard error and writes the training log.
pub struct TrainingReporter {
    log: File,
    bar: ProgressBar,
    pub start: Instant,
    last_line: Instant,
    pub examples: usize,
    pub left_out: usize,
    pub steps: usize,
    pub loss: f32,
}

/// Without a terminal, a line is printed at this interval instead of a progress bar.
const LINE_INTERVAL: Duration = Duration::from_secs(30);

impl TrainingReporter {
    /// Logs to a file; `append` keeps its content.
    pub fn new(path: &Path, append: bool) -> Result<Self, CliError> {
        let log = File::options().create(true).write(true).append(append).truncate(!append).open(path);
        let log = log.map_err(|source| CliError::Write { path: path.into(), source })?;
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} steps, {msg}, {eta} left");
        let bar = ProgressBar::new(0).with_style(style.expect("the template is valid"));
        let now = Instant::now();
        Ok(Self { log, bar, start: now, last_line: now, examples: 0, left_out: 0, steps: 0, loss: 0.0 })
    }

    /// Shows and logs an event.
    pub fn report(&mut self, event: &Event<'_>) {
        let line = match *event {
            Event::Start { steps, examples, left_out, resumed } => {
                (self.examples, self.left_out, self.steps) = (examples, left_out, steps);
                self.bar.set_length(steps as u64);
                self.bar.set_position(resumed as u64);
                let skipped = if left_out > 0 {
                    format!("; skipped {left_out} without tokens or with a zero vector")
                } else {
                    String::new()
                };
                let resuming = if resumed > 0 { format!("; resuming after step {resumed}") } else { String::new() };
                self.bar.suspend(|| eprintln!("{examples} examples, {steps} steps{skipped}{resuming}"));
                json!({ "event": "start", "examples": examples, "left_out": left_out, "steps": steps, "resumed": resumed })
            }
            Event::Interval { step, loss, learning_rate, per_second } => {
                self.loss = loss;
                self.bar.set_position(step as u64);
                self.bar.set_message(format!("loss {loss:.4}, {per_second:.0} examples/s"));
                if !std::io::stderr().is_terminal() && self.last_line.elapsed() > LINE_INTERVAL {
                    self.last_line = Instant::now();
                    eprintln!("step {step} of {}: loss {loss:.4}, {per_second:.0} examples/s", self.steps);
                }
                json!({ "event": "interval", "step": step, "loss": loss, "learning_rate": learning_rate, "per_second": per_second })
            }
            Event::Epoch { epoch, loss, seconds, .. } => {
                self.loss = loss;
                self.bar.suspend(|| eprintln!("epoch {epoch} after {seconds:.0} s: loss {loss:.4}"));
                json!({ "event": "epoch", "epoch": epoch, "loss": loss, "seconds": seconds })
            }
        };
        let _ = writeln!(self.log, "{line}"); // a failure to write the log does not stop training
    }
}
