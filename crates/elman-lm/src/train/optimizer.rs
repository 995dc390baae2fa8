use std::{fmt, str::FromStr};

use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer, SgdConfig, decay::WeightDecayConfig};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// The optimizers, with PyTorch's settings: β₁ = 0.9, β₂ = 0.999, ε = 1e-8 for Adam and AdamW.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Optimizer {
    /// Stochastic gradient descent: `θ ← θ − η g`.
    #[default]
    Sgd,
    /// Kingma & Ba 2015, algorithm 1.
    Adam,
    /// Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2).
    AdamW,
}

/// β₂ of [`AdamConfig`] and [`AdamWConfig`] is 0.999 already; ε is not PyTorch's.
const EPSILON: f32 = 1e-8;

impl Optimizer {
    /// A learning rate to begin with: 20 for SGD (with gradients clipped to 0.25, as PyTorch's word-language-model
    /// example), 0.002 for Adam and AdamW.
    pub const fn default_learning_rate(self) -> f64 {
        match self {
            Self::Sgd => 20.0,
            Self::Adam | Self::AdamW => 0.002,
        }
    }

    /// The optimizer itself. Weight decay is an L2 penalty for SGD and Adam, decoupled for AdamW.
    pub(crate) fn init(self, weight_decay: f64) -> ModuleOptimizer {
        let penalty = (weight_decay > 0.0).then(|| WeightDecayConfig::new(weight_decay as f32));
        match self {
            Self::Sgd => SgdConfig::new().with_weight_decay(penalty).init(),
            Self::Adam => AdamConfig::new().with_epsilon(EPSILON).with_weight_decay(penalty).init(),
            Self::AdamW => AdamWConfig::new().with_epsilon(EPSILON).with_weight_decay(weight_decay as f32).init(),
        }
    }
}

impl fmt::Display for Optimizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Sgd => "sgd",
            Self::Adam => "adam",
            Self::AdamW => "adamw",
        })
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let named = [Self::Sgd, Self::Adam, Self::AdamW].into_iter().find(|o| o.to_string() == name);
        named.ok_or_else(|| Error::UnknownOptimizer { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for optimizer in [Optimizer::Sgd, Optimizer::Adam, Optimizer::AdamW] {
            assert_eq!(optimizer.to_string().parse::<Optimizer>().unwrap(), optimizer);
            assert_eq!(serde_json::to_string(&optimizer).unwrap(), format!("\"{optimizer}\""));
        }
        let error = "rmsprop".parse::<Optimizer>().unwrap_err();
        assert_eq!(error.to_string(), "unknown optimizer 'rmsprop': expected sgd, adam or adamw");
    }
}
