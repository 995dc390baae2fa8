use std::{f64::consts::PI, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{error::LmError, setting::check};

/// Learning-rate schedule. Its text form is `constant`, `cosine:warmup=100` or `plateau:factor=4`.
///
/// ```
/// use elman_lm::train::Schedule;
///
/// let schedule: Schedule = "cosine:warmup=100".parse()?;
/// assert_eq!(schedule, Schedule::Cosine { warmup: 100 });
/// # Ok::<(), elman_lm::LmError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Schedule {
    /// A constant learning rate.
    Constant,
    /// Linear warmup over the first `warmup` steps, then cosine annealing to 0 at the last step
    /// (Loshchilov & Hutter 2017, eq. 5, without restarts): `½ (1 + cos(π (t − warmup) / (steps − warmup)))`.
    Cosine {
        /// Steps until the full learning rate; 0 for no warmup.
        warmup: usize,
    },
    /// Divides by `factor` whenever an epoch's validation loss is not the lowest so far.
    Plateau {
        /// Divisor of the learning rate; above 1.
        factor: f64,
    },
}

impl Schedule {
    /// The factor of the learning rate at step `step` of `steps`, counted from 0, without the divisions of a plateau.
    pub fn factor(&self, step: usize, steps: usize) -> f64 {
        match *self {
            Self::Constant | Self::Plateau { .. } => 1.0,
            Self::Cosine { warmup } if step < warmup => (step + 1) as f64 / warmup as f64,
            Self::Cosine { warmup } => {
                let done = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
                0.5 * (1.0 + (PI * done.min(1.0)).cos())
            }
        }
    }

    pub(crate) fn validate(&self) -> Result<(), LmError> {
        match *self {
            Self::Plateau { factor } => {
                check("the plateau's factor", "a number above 1", factor, factor.is_finite() && factor > 1.0)
            }
            _ => Ok(()),
        }
    }
}

impl Default for Schedule {
    /// Divide by 4 when validation stops improving.
    fn default() -> Self {
        Self::Plateau { factor: 4.0 }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Constant => f.write_str("constant"),
            Self::Cosine { warmup: 0 } => f.write_str("cosine"),
            Self::Cosine { warmup } => write!(f, "cosine:warmup={warmup}"),
            Self::Plateau { factor } => write!(f, "plateau:factor={factor}"),
        }
    }
}

impl FromStr for Schedule {
    type Err = LmError;

    fn from_str(text: &str) -> Result<Self, LmError> {
        let unknown = || LmError::UnknownSchedule { found: text.into() };
        let schedule = match text.split_once(':') {
            None => match text {
                "constant" => Self::Constant,
                "cosine" => Self::Cosine { warmup: 0 },
                "plateau" => Self::default(),
                _ => return Err(unknown()),
            },
            Some(("cosine", setting)) => {
                let warmup = setting.strip_prefix("warmup=").and_then(|n| n.parse().ok()).ok_or_else(unknown)?;
                Self::Cosine { warmup }
            }
            Some(("plateau", setting)) => {
                let factor = setting.strip_prefix("factor=").and_then(|n| n.parse().ok()).ok_or_else(unknown)?;
                Self::Plateau { factor }
            }
            Some(_) => return Err(unknown()),
        };
        schedule.validate()?;
        Ok(schedule)
    }
}

impl TryFrom<String> for Schedule {
    type Error = LmError;

    fn try_from(text: String) -> Result<Self, LmError> {
        text.parse()
    }
}

impl From<Schedule> for String {
    fn from(schedule: Schedule) -> Self {
        schedule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_round_trip() {
        for text in ["constant", "cosine", "cosine:warmup=100", "plateau:factor=4", "plateau:factor=2.5"] {
            assert_eq!(text.parse::<Schedule>().unwrap().to_string(), text);
        }
        assert_eq!("plateau".parse::<Schedule>().unwrap(), Schedule::Plateau { factor: 4.0 });
        let json = serde_json::to_string(&Schedule::Cosine { warmup: 7 }).unwrap();
        assert_eq!(json, "\"cosine:warmup=7\"");
        assert_eq!(serde_json::from_str::<Schedule>(&json).unwrap(), Schedule::Cosine { warmup: 7 });
    }

    #[test]
    fn invalid_schedules_are_errors() {
        for text in ["", "linear", "cosine:", "cosine:warmup=-1", "cosine:factor=2", "constant:x=1", "plateau:factor="]
        {
            let message = text.parse::<Schedule>().unwrap_err().to_string();
            assert_eq!(
                message,
                format!(
                    "unknown schedule '{text}': expected constant, cosine, cosine:warmup=STEPS, plateau or \
                     plateau:factor=NUMBER"
                )
            );
        }
        for factor in ["1", "0", "-4", "NaN", "inf"] {
            let error = format!("plateau:factor={factor}").parse::<Schedule>().unwrap_err();
            assert_eq!(error.to_string(), format!("the plateau's factor must be a number above 1, not {factor}"));
        }
    }

    #[test]
    fn cosine_rises_linearly_and_falls_to_zero() {
        let cosine = Schedule::Cosine { warmup: 4 };
        let at = |step| cosine.factor(step, 12);
        assert_eq!([at(0), at(1), at(2), at(3), at(4)], [0.25, 0.5, 0.75, 1.0, 1.0]);
        assert!((at(8) - 0.5).abs() < 1e-12);
        assert!((at(6) - (0.5 + 0.5 * (PI / 4.0).cos())).abs() < 1e-12);
        assert!(at(12) < 1e-12);
        // a warm-up longer than training never divides by zero
        assert_eq!(Schedule::Cosine { warmup: 20 }.factor(9, 10), 0.5);
        assert_eq!(Schedule::Constant.factor(9, 10), 1.0);
    }
}
