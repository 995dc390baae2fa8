use burn::{
    optim::{LearningRate, Optimizer, SgdConfig, SgdState, decay::WeightDecayConfig},
    tensor::{Device, Tensor},
};
use rayon::prelude::*;

use crate::train::numbers::{CHUNK, Numbers};

/// Stochastic gradient descent with an L2 penalty `λ`, `θ ← θ − η (g + λ θ)`: burn's, and on processors in one pass.
#[derive(Clone)]
pub struct Sgd {
    penalty: f32,
    elsewhere: burn::optim::Sgd,
}

impl Sgd {
    pub fn new(penalty: f32) -> Self {
        let decay = (penalty > 0.0).then(|| WeightDecayConfig::new(penalty));
        Self { penalty, elsewhere: SgdConfig::new().with_weight_decay(decay).build() }
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
        if !Numbers::fit(&weight) || !Numbers::fit(&gradient) {
            return self.elsewhere.step(rate, weight, gradient, state);
        }
        let (mut weight, gradient) = (Numbers::of(weight), Numbers::of(gradient));
        let (rate, penalty) = (rate as f32, self.penalty);
        let chunks = weight.slice_mut().par_chunks_mut(CHUNK).zip(gradient.slice().par_chunks(CHUNK));
        chunks.for_each(|(weight, gradient)| {
            for (w, g) in weight.iter_mut().zip(gradient) {
                *w -= (g + penalty * *w) * rate;
            }
        });
        (weight.tensor(), Some(SgdState::new(None)))
    }

    fn to_device<const D: usize>(state: SgdState<D>, device: &Device) -> SgdState<D> {
        burn::optim::Sgd::to_device(state, device)
    }
}
