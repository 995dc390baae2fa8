use std::{fmt, str::FromStr, time::Duration};

use crate::error::LmError;

/// How often a checkpoint is written. Its text form is a number of steps (`500`) or a duration (`10m`, `90s`,
/// `1h 30m`).
///
/// ```
/// use std::time::Duration;
/// use elman_lm::train::Every;
///
/// assert_eq!("500".parse::<Every>()?, Every::Steps(500));
/// assert_eq!("10m".parse::<Every>()?, Every::Time(Duration::from_secs(600)));
/// # Ok::<(), elman_lm::LmError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Every this many steps.
    Steps(usize),
    /// After the first step that ends at least this long after the previous checkpoint.
    Time(Duration),
}

impl fmt::Display for Every {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps(steps) => write!(f, "{steps}"),
            Self::Time(time) => write!(f, "{}", humantime::format_duration(*time)),
        }
    }
}

impl FromStr for Every {
    type Err = LmError;

    fn from_str(text: &str) -> Result<Self, LmError> {
        let every = match text.parse() {
            Ok(steps) => Some(Self::Steps(steps)),
            Err(_) => humantime::parse_duration(text).ok().map(Self::Time),
        };
        match every {
            None | Some(Self::Steps(0) | Self::Time(Duration::ZERO)) => {
                Err(LmError::UnknownEvery { found: text.into() })
            }
            Some(every) => Ok(every),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_and_durations_are_parsed() {
        for text in ["1", "500", "10m", "90s", "1h 30m"] {
            let every: Every = text.parse().unwrap();
            assert_eq!(every.to_string().parse::<Every>().unwrap(), every);
        }
        assert_eq!("1h 30m".parse::<Every>().unwrap(), Every::Time(Duration::from_secs(5400)));
        for text in ["0", "0s", "-1", "", "ten", "10 moons"] {
            let message = text.parse::<Every>().unwrap_err().to_string();
            assert_eq!(
                message,
                format!("invalid interval '{text}': expected steps (500) or a duration (10m, 90s, 2h), above 0")
            );
        }
    }
}
