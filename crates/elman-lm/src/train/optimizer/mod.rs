//! Optimizers. They use the states of burn's optimizers. On CPUs a step is one parallel in-place pass over weight,
//! gradient and state; burn's makes one single-threaded pass for each operation.

mod adam;
mod sgd;

use std::{fmt, str::FromStr};

use burn::optim::ModuleOptimizer;
use serde::{Deserialize, Serialize};

use self::{adam::Adam, sgd::Sgd};
use crate::error::LmError;

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

impl Optimizer {
    /// The default learning rate: 20 for SGD (with gradients clipped to 0.25, as in PyTorch's word-language-model
    /// example), 0.002 for Adam and AdamW.
    pub const fn default_learning_rate(self) -> f64 {
        match self {
            Self::Sgd => 20.0,
            Self::Adam | Self::AdamW => 0.002,
        }
    }

    /// Creates the optimizer. Weight decay is an L2 penalty for SGD and Adam, and decoupled for AdamW.
    pub fn init(self, weight_decay: f64) -> ModuleOptimizer {
        let decay = weight_decay as f32;
        match self {
            Self::Sgd => Sgd::new(decay).into(),
            Self::Adam => Adam::new(decay).into(),
            Self::AdamW => Adam::decoupled(decay).into(),
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
    type Err = LmError;

    fn from_str(name: &str) -> Result<Self, LmError> {
        let named = [Self::Sgd, Self::Adam, Self::AdamW].into_iter().find(|o| o.to_string() == name);
        named.ok_or_else(|| LmError::UnknownOptimizer { found: name.into() })
    }
}

#[cfg(test)]
mod tests {
    use burn::{
        module::{Module, Param},
        optim::{AdamConfig, AdamWConfig, GradientsParams, SgdConfig, decay::WeightDecayConfig},
        tensor::{Distribution, Tensor},
    };
    use elman_testkit::{Tolerance, assert_close_data, devices};

    use super::*;

    /// More than one chunk of elements, and not a multiple of a chunk.
    const SHAPE: [usize; 2] = [129, 301];

    /// Both do the same few f32 operations, in another order.
    const ROUNDING: Tolerance = Tolerance { relative: 1e-5, absolute: 1e-7 };

    #[derive(Module, Debug)]
    struct Weight {
        weight: Param<Tensor<2>>,
    }

    /// One step of `optimizer` with this gradient.
    fn step(optimizer: &mut ModuleOptimizer, module: Weight, gradient: Tensor<2>) -> Weight {
        let mut gradients = GradientsParams::new();
        gradients.register(module.weight.id, gradient);
        optimizer.step(0.1, module, gradients)
    }

    /// Compares three steps of burn's optimizer with three of ours. Before the last, ours loads burn's state.
    fn assert_same_steps(ours: impl Fn() -> ModuleOptimizer, burns: ModuleOptimizer) {
        for device in devices() {
            let autodiff = device.autodiff();
            let weight = Tensor::<2>::random(SHAPE, Distribution::Normal(0.0, 1.0), &autodiff);
            let start = Weight { weight: Param::from_tensor(weight) };
            let gradients = [(); 3].map(|()| Tensor::random(SHAPE, Distribution::Normal(0.0, 1.0), &device.device));
            let ([mut left, mut right], [mut ours_now, mut burns]) = ([start.clone(), start], [ours(), burns.clone()]);
            for (n, gradient) in gradients.into_iter().enumerate() {
                if n == 2 {
                    ours_now = ours().load_record(burns.to_record());
                }
                left = step(&mut ours_now, left, gradient.clone());
                right = step(&mut burns, right, gradient);
                let [left, right] = [&left, &right].map(|module| module.weight.val().into_data());
                assert_close_data(&format!("{device}, step {n}"), &left, &right, ROUNDING);
            }
        }
    }

    #[test]
    fn steps_match_burns_optimizers() {
        for decay in [0.0, 0.03] {
            let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
            let ours = |optimizer: Optimizer| move || optimizer.init(decay);
            assert_same_steps(ours(Optimizer::Sgd), SgdConfig::new().with_weight_decay(penalty.clone()).init());
            let adam = AdamConfig::new().with_epsilon(1e-8).with_weight_decay(penalty);
            assert_same_steps(ours(Optimizer::Adam), adam.init());
            let adamw = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(decay as f32);
            assert_same_steps(ours(Optimizer::AdamW), adamw.init());
        }
    }

    #[test]
    fn names_round_trip() {
        for optimizer in [Optimizer::Sgd, Optimizer::Adam, Optimizer::AdamW] {
            assert_eq!(optimizer.to_string().parse::<Optimizer>().unwrap(), optimizer);
            assert_eq!(serde_json::to_string(&optimizer).unwrap(), format!("\"{optimizer}\""));
        }
        let error = "rmsprop".parse::<Optimizer>().unwrap_err();
        assert_eq!(error.to_string(), "unknown optimizer 'rmsprop': expected sgd, adam or adamw");
    }
}
