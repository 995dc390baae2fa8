use elman_text::printable::message;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Changed, Epoch, Event, Observer, Resumed};
use crate::error::LmError;

/// Draws a progress bar on standard error, with loss, perplexity, tokens per second and the time left, and prints a
/// line for each epoch. Without a terminal only the lines are printed.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    epochs: usize,
}

impl Progress {
    /// A bar that appears when training starts.
    pub fn new() -> Self {
        Self { bar: ProgressBar::hidden(), epochs: 0 }
    }
}

/// Removes the bar of a run that failed.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for Progress {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        match event {
            Event::Start(start) => {
                self.epochs = start.epochs;
                let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg} {eta} left");
                self.bar = ProgressBar::new(start.steps as u64).with_style(style.expect("the template is valid"));
                if let Some(resumed) = &start.resumed {
                    self.bar.set_position(resumed.step as u64);
                    self.bar.reset_eta();
                    self.bar
                        .suspend(|| notes(resumed, start.steps).iter().for_each(|line| eprintln!("{}", message(line))));
                }
            }
            Event::Step(step) => self.bar.set_position(step as u64),
            Event::Interval(interval) => self.bar.set_message(format!(
                "epoch {}/{} loss {:.3} perplexity {:.1} {:.0} tokens/s",
                interval.epoch, self.epochs, interval.loss, interval.perplexity, interval.tokens_per_second
            )),
            Event::Epoch(epoch, _) => {
                self.bar.suspend(|| eprintln!("{}", summary(epoch, self.epochs)));
                if epoch.epoch == self.epochs {
                    self.bar.finish_and_clear();
                }
            }
            Event::Best(..) | Event::Checkpoint(..) => {}
        }
        Ok(())
    }
}

/// Messages about a resumed run.
fn notes(resumed: &Resumed, steps: usize) -> Vec<String> {
    let Resumed { checkpoint, step, changed, damaged } = resumed;
    let damaged = damaged.iter().map(|reason| format!("note: {reason}; using the previous checkpoint"));
    let from = format!("resuming from '{}' at step {step} of {steps}", checkpoint.display());
    let changed =
        changed.iter().map(|Changed { setting, was, now }| format!("note: {setting} is now {now}, was {was}"));
    damaged.chain([from]).chain(changed).collect()
}

/// Formats an epoch in one line.
fn summary(epoch: &Epoch, epochs: usize) -> String {
    let mut line = format!(
        "epoch {}/{epochs}: {:.0} tokens/s, train loss {:.4}",
        epoch.epoch, epoch.tokens_per_second, epoch.train_loss
    );
    if let Some(valid) = &epoch.valid {
        line += &format!(", valid loss {:.4}, perplexity {:.2}", valid.loss, valid.perplexity);
        if epoch.best {
            line += " (best so far)";
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Evaluation;

    #[test]
    fn a_resumed_run_reports_changed_settings_and_damaged_checkpoints() {
        let changed = Changed { setting: "epochs".into(), was: "2".into(), now: "3".into() };
        let damaged = vec!["cannot resume from 'b': it is truncated".to_owned()];
        let resumed = Resumed { checkpoint: "a".into(), step: 7, changed: vec![changed], damaged };
        let expected = [
            "note: cannot resume from 'b': it is truncated; using the previous checkpoint",
            "resuming from 'a' at step 7 of 30",
            "note: epochs is now 3, was 2",
        ];
        assert_eq!(notes(&resumed, 30), expected);
    }

    #[test]
    fn an_epoch_is_summarized_in_a_line() {
        let valid = Evaluation {
            tokens: 90,
            loss: 1.5,
            perplexity: 4.4817,
            bits_per_token: 2.164,
            bits_per_character: 2.164,
            bits_per_byte: 2.164,
        };
        let mut epoch = Epoch {
            epoch: 2,
            step: 40,
            train_loss: 1.75,
            valid: Some(valid),
            best: true,
            learning_rate: 20.0,
            tokens_per_second: 1234.4,
            seconds: 9.0,
        };
        let line = "epoch 2/3: 1234 tokens/s, train loss 1.7500, valid loss 1.5000, perplexity 4.48 (best so far)";
        assert_eq!(summary(&epoch, 3), line);
        epoch.valid = None;
        assert_eq!(summary(&epoch, 3), "epoch 2/3: 1234 tokens/s, train loss 1.7500");
    }
}
