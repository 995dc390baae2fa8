use std::path::{Path, PathBuf};

use elman_text::Tokens;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{config::LanguageModelConfig, error::LmError, files::hexadecimal, train::TrainConfig};

/// How training resumed after an interruption.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    /// The checkpoint.
    pub checkpoint: PathBuf,
    /// Completed steps.
    pub step: usize,
    /// Settings that have changed. Without any, training ends as if it had not been interrupted.
    pub changed: Vec<Changed>,
    /// Errors of later checkpoints that are not usable.
    pub damaged: Vec<String>,
}

/// A setting that has changed since the checkpoint was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changed {
    /// Its name in [`TrainConfig`].
    pub setting: String,
    /// Its value before.
    pub was: String,
    /// Its value now.
    pub now: String,
}

/// What identifies the run of a checkpoint.
#[derive(Clone, Debug)]
pub(in crate::train) struct Run {
    pub model: LanguageModelConfig,
    pub settings: TrainConfig,
    /// SHA-256 of the token ids of both texts.
    pub text: String,
}

/// Settings that must not change, because the position in the text or the optimizer's state depends on them.
const FIXED: [&str; 3] = ["batch", "bptt", "optimizer"];

/// Settings that do not affect the result.
const FREE: [&str; 1] = ["log_every"];

impl Run {
    /// A run over these texts: training and validation.
    pub fn new(model: &LanguageModelConfig, settings: &TrainConfig, texts: [Option<&Tokens>; 2]) -> Self {
        let mut hash = Sha256::new();
        for text in texts.into_iter().flatten() {
            hash.update((text.len() as u64).to_le_bytes());
            for id in text.iter() {
                hash.update(id.to_le_bytes());
            }
        }
        Self { model: model.clone(), settings: settings.clone(), text: hexadecimal(&hash.finalize()) }
    }

    /// The settings that have changed since the run that wrote a checkpoint.
    ///
    /// # Errors
    /// [`LmError::OtherRun`] if this run cannot resume from it.
    pub fn changed_from(&self, was: &Run, checkpoint: &Path) -> Result<Vec<Changed>, LmError> {
        let other = |Changed { setting, was, now }: Changed| {
            Err(LmError::OtherRun { path: checkpoint.into(), setting, was, now })
        };
        if let Some(difference) = differences(&self.model, &was.model).into_iter().next() {
            return other(difference);
        }
        if self.text != was.text {
            let [was, now] = [&was.text, &self.text].map(|hash| hash.chars().take(12).collect());
            return other(Changed { setting: "the text (SHA-256 of its tokens)".into(), was, now });
        }
        let mut changed = differences(&self.settings, &was.settings);
        changed.retain(|difference| !FREE.contains(&&*difference.setting));
        match changed.iter().position(|difference| FIXED.contains(&&*difference.setting)) {
            Some(n) => other(changed.swap_remove(n)),
            None => Ok(changed),
        }
    }
}

/// The fields that differ.
fn differences<T: Serialize>(now: &T, was: &T) -> Vec<Changed> {
    let [now, was] = [now, was].map(|value| serde_json::to_value(value).expect("settings are valid JSON"));
    let fields = now.as_object().expect("settings have names");
    let changed = fields.iter().filter(|(name, now)| was.get(name.as_str()) != Some(*now));
    changed
        .map(|(name, now)| Changed {
            setting: name.clone(),
            was: was.get(name).map_or("nothing".into(), show),
            now: show(now),
        })
        .collect()
}

fn show(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(settings: TrainConfig) -> Run {
        Run::new(&LanguageModelConfig::new(9), &settings, [Some(&Tokens::from_ids(&[1, 2, 3], 3, 3)), None])
    }

    #[test]
    fn settings_that_may_change_are_reported() {
        let before = run(TrainConfig::default());
        let settings = TrainConfig { learning_rate: 5.0, clip: None, log_every: 3, ..TrainConfig::default() };
        let changed = run(settings).changed_from(&before, Path::new("c")).unwrap();
        let mut changed: Vec<_> = changed.iter().map(|c| (&*c.setting, &*c.was, &*c.now)).collect();
        changed.sort_unstable();
        assert_eq!(changed, [("clip", "0.25", "null"), ("learning_rate", "20.0", "5.0")]);
    }

    #[test]
    fn settings_that_must_not_change_are_errors() {
        let before = run(TrainConfig::default());
        let message = |run: Run| run.changed_from(&before, Path::new("c")).unwrap_err().to_string();
        let text = message(run(TrainConfig { bptt: 8, ..TrainConfig::default() }));
        assert!(text.contains("bptt is now 8, was 35"), "{text}");
        let text = message(Run { model: LanguageModelConfig::new(10), ..before.clone() });
        assert!(text.contains("vocabulary is now 10, was 9"), "{text}");
        let text = message(Run { text: "0123456789abcdef".into(), ..before.clone() });
        assert!(text.contains("the text (SHA-256 of its tokens) is now 0123456789ab, was "), "{text}");
    }
}
