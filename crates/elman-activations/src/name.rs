use std::{fmt, str::FromStr};

use crate::Activation;

impl Activation {
    /// The name, without a parameter.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::LeakyRelu { .. } => "leaky_relu",
            Self::Elu { .. } => "elu",
            Self::Selu => "selu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::GeluSigmoid => "gelu_sigmoid",
            Self::Silu => "silu",
            Self::Mish => "mish",
            Self::Sigmoid => "sigmoid",
            Self::HardSigmoid => "hard_sigmoid",
            Self::Tanh => "tanh",
            Self::HardTanh => "hard_tanh",
            Self::Softplus => "softplus",
            Self::Softsign => "softsign",
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeakyRelu { slope: parameter } | Self::Elu { alpha: parameter } => {
                f.pad(&format!("{}({parameter})", self.name()))
            }
            _ => f.pad(self.name()),
        }
    }
}

/// Why a text is not an activation function.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseActivationError {
    /// The name is unknown.
    #[error("unknown activation '{name}': expected one of {}", names())]
    Unknown {
        /// The text.
        name: String,
    },
    /// The parameter is not a finite number.
    #[error("activation '{name}': '{found}' is not a finite number, expected for example {name}(0.1)")]
    Parameter {
        /// The function.
        name: &'static str,
        /// The text in the parentheses.
        found: String,
    },
    /// The function has no parameter.
    #[error("activation '{name}' takes no parameter: write {name} instead of {name}({found})")]
    NoParameter {
        /// The function.
        name: &'static str,
        /// The text in the parentheses.
        found: String,
    },
}

fn names() -> String {
    Activation::ALL.map(Activation::name).join(", ")
}

impl FromStr for Activation {
    type Err = ParseActivationError;

    fn from_str(text: &str) -> Result<Self, ParseActivationError> {
        let (name, parameter) = match text.strip_suffix(')').and_then(|text| text.split_once('(')) {
            Some((name, parameter)) => (name, Some(parameter)),
            None => (text, None),
        };
        let function = Self::ALL.into_iter().find(|function| function.name() == name);
        let function = function.ok_or_else(|| ParseActivationError::Unknown { name: text.into() })?;
        let Some(found) = parameter else { return Ok(function) };

        let name = function.name();
        let number = || {
            let number = found.parse().ok().filter(|number: &f64| number.is_finite());
            number.ok_or_else(|| ParseActivationError::Parameter { name, found: found.into() })
        };
        match function {
            Self::LeakyRelu { .. } => Ok(Self::LeakyRelu { slope: number()? }),
            Self::Elu { .. } => Ok(Self::Elu { alpha: number()? }),
            _ => Err(ParseActivationError::NoParameter { name, found: found.into() }),
        }
    }
}

impl TryFrom<String> for Activation {
    type Error = ParseActivationError;

    fn try_from(text: String) -> Result<Self, ParseActivationError> {
        text.parse()
    }
}

impl From<Activation> for String {
    fn from(activation: Activation) -> Self {
        activation.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(text: &str) -> String {
        text.parse::<Activation>().unwrap_err().to_string()
    }

    #[test]
    fn names_round_trip_in_text_and_json() {
        for activation in Activation::ALL {
            assert_eq!(activation.to_string().parse(), Ok(activation));
            assert_eq!(activation.name().parse(), Ok(activation));
            let json = serde_json::to_string(&activation).unwrap();
            assert_eq!(json, format!("\"{activation}\""));
            assert_eq!(serde_json::from_str::<Activation>(&json).unwrap(), activation);
        }
    }

    #[test]
    fn errors_name_the_expected_text() {
        assert_eq!(
            message("swish"),
            "unknown activation 'swish': expected one of identity, relu, leaky_relu, elu, selu, gelu, gelu_tanh, \
             gelu_sigmoid, silu, mish, sigmoid, hard_sigmoid, tanh, hard_tanh, softplus, softsign"
        );
        assert!(message("").starts_with("unknown activation ''"));
        assert!(message("leaky_relu(0.1").starts_with("unknown activation 'leaky_relu(0.1'"));
        assert_eq!(message("elu(x)"), "activation 'elu': 'x' is not a finite number, expected for example elu(0.1)");
        assert!(message("elu(inf)").contains("'inf' is not a finite number"));
        assert_eq!(message("relu(1)"), "activation 'relu' takes no parameter: write relu instead of relu(1)");
        let json = serde_json::from_str::<Activation>("\"rleu\"").unwrap_err().to_string();
        assert!(json.contains("unknown activation 'rleu'"), "{json}");
    }

    proptest! {
        #[test]
        fn parameters_round_trip(parameter in prop::num::f64::NORMAL | prop::num::f64::ZERO) {
            for activation in [Activation::LeakyRelu { slope: parameter }, Activation::Elu { alpha: parameter }] {
                prop_assert_eq!(activation.to_string().parse(), Ok(activation));
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = text.parse::<Activation>();
        }
    }
}
