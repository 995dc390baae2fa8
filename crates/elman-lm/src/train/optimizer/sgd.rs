use burn::{
    optim::{LearningRate, Optimizer, SgdConfig, SgdState, decay::WeightDecayConfig},
    tensor::{Device, Tensor},
};
use rayon::prelude::*;

use crate::train::cpu_values::{CHUNK, CpuValues};

/// Stochastic gradient descent with an L2 penalty `λ`, `θ ← θ − η (g + λ θ)`: one pass on CPUs, burn's on
/// other devices.
#[derive(Clone)]
pub struct Sgd {
    penalty: f32,
    fallback: burn::optim::Sgd,
}

impl Sgd {
    pub fn new(penalty: f32) -> Self {
        let decay = (penalty > 0.0).then(|| WeightDecayConfig::new(penalty));
        Self { penalty, fallback: SgdConfig::new().with_weight_decay(decay).build() }
    }
}

impl Optimizer for Sgd {
    type State<const D: usize> = SgdState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<SgdState<D>>,
    ) -> (Tensor<D>, Option<SgdState<D>>) {
        if !CpuValues::supports(&weight) || !CpuValues::supports(&gradient) {
            return self.fallback.step(rate, weight, gradient, state);
        }
        let (mut weight, gradient) = (CpuValues::from_tensor(weight), CpuValues::from_tensor(gradient));
        let (rate, penalty) = (rate as f32, self.penalty);
        let chunks = weight.slice_mut().par_chunks_mut(CHUNK).zip(gradient.slice().par_chunks(CHUNK));
        chunks.for_each(|(weight, gradient)| {
            for (w, g) in weight.iter_mut().zip(gradient) {
                *w -= (g + penalty * *w) * rate;
            }
        });
        (weight.into_tensor(), Some(SgdState::new(None)))
    }

    fn to_device<const D: usize>(state: SgdState<D>, device: &Device) -> SgdState<D> {
        burn::optim::Sgd::to_device(state, device)
    }
}
