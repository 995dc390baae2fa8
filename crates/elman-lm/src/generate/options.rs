use serde::{Deserialize, Serialize};

use super::filter;
use crate::{
    error::LmError,
    setting::{check, not_negative},
};

/// Settings of [`generate`](super::generate()).
///
/// Each token is chosen in this order: repetition penalty, temperature, top-k, top-p, min-p, then sampling from the
/// remaining tokens. With temperature 0 the most likely token after the repetition penalty is chosen.
///
/// ```
/// use elman_lm::generate::GenerateOptions;
///
/// let options = GenerateOptions { temperature: 0.8, top_p: 0.95, ..GenerateOptions::default() };
/// options.validate()?;
/// # Ok::<(), elman_lm::LmError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateOptions {
    /// Maximum number of tokens to generate.
    pub max_tokens: usize,
    /// See [`filter::temperature`]; 0 always takes the most likely token.
    pub temperature: f32,
    /// See [`filter::top_k`]; 0 keeps all.
    pub top_k: usize,
    /// See [`filter::top_p`]; 1 keeps all.
    pub top_p: f32,
    /// See [`filter::min_p`]; 0 keeps all.
    pub min_p: f32,
    /// See [`filter::repetition_penalty`]; 1 changes nothing. The prompt's tokens count as seen.
    pub repetition_penalty: f32,
    /// Seed of the random numbers: the same seed gives the same text.
    pub seed: u64,
    /// Texts at which generation stops; no part of them is output.
    pub stop: Vec<String>,
}

impl Default for GenerateOptions {
    /// 100 tokens sampled from the unmodified distribution.
    fn default() -> Self {
        Self {
            max_tokens: 100,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 1,
            stop: Vec::new(),
        }
    }
}

impl GenerateOptions {
    /// Checks that every setting is in its range.
    ///
    /// # Errors
    /// [`LmError::Setting`] for the first setting out of range.
    pub fn validate(&self) -> Result<(), LmError> {
        not_negative("the temperature", f64::from(self.temperature))?;
        check("top-p", "above 0 and at most 1", self.top_p, self.top_p > 0.0 && self.top_p <= 1.0)?;
        check("min-p", "0 to 1", self.min_p, (0.0..=1.0).contains(&self.min_p))?;
        let penalty = self.repetition_penalty;
        check("the repetition penalty", "a number above 0", penalty, penalty.is_finite() && penalty > 0.0)?;
        check("a stop text", "at least one character", "empty", self.stop.iter().all(|stop| !stop.is_empty()))
    }

    /// Applies the filters in the documented order.
    pub(super) fn filter(&self, logits: &mut [f32], seen: &[u32]) {
        filter::repetition_penalty(logits, seen, self.repetition_penalty);
        if self.temperature > 0.0 {
            filter::temperature(logits, self.temperature);
            filter::top_k(logits, self.top_k);
            filter::top_p(logits, self.top_p);
            filter::min_p(logits, self.min_p);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_settings_out_of_range() {
        let good = GenerateOptions::default();
        good.validate().unwrap();
        let message = |options: GenerateOptions| options.validate().unwrap_err().to_string();
        for (found, text) in [(-1.0, "-1"), (f32::NAN, "NaN"), (f32::INFINITY, "inf")] {
            let options = GenerateOptions { temperature: found, ..good.clone() };
            assert_eq!(message(options), format!("the temperature must be a number of at least 0, not {text}"));
            let options = GenerateOptions { repetition_penalty: found, ..good.clone() };
            assert_eq!(message(options), format!("the repetition penalty must be a number above 0, not {text}"));
        }
        let options = GenerateOptions { top_p: 0.0, ..good.clone() };
        assert_eq!(message(options), "top-p must be above 0 and at most 1, not 0");
        let options = GenerateOptions { min_p: 1.5, ..good.clone() };
        assert_eq!(message(options), "min-p must be 0 to 1, not 1.5");
        let options = GenerateOptions { stop: vec!["x".into(), String::new()], ..good };
        assert_eq!(message(options), "a stop text must be at least one character, not empty");
    }

    #[test]
    fn filters_are_applied_in_the_documented_order() {
        // after the penalty: 3, 3, 2, -9; after the temperature: 6, 6, 4, -18. Top-k 3 removes the last, top-p the
        // third.
        let mut logits = [6.0, 3.0, 2.0, -4.5];
        let options = GenerateOptions {
            repetition_penalty: 2.0,
            temperature: 0.5,
            top_k: 3,
            top_p: 0.9,
            ..GenerateOptions::default()
        };
        options.filter(&mut logits, &[0, 3]);
        assert_eq!(logits, [6.0, 6.0, f32::NEG_INFINITY, f32::NEG_INFINITY]);
    }
}
