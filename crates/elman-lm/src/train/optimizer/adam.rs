use burn::{
    optim::{
        AdamConfig, AdamState, AdamWConfig, AdamWState, AdaptiveMomentumState, LearningRate, Optimizer,
        decay::WeightDecayConfig,
    },
    tensor::{Device, Tensor},
};
use rayon::prelude::*;

use crate::train::cpu_values::{CHUNK, CpuValues};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// Adam (Kingma & Ba 2015, algorithm 1): one pass on CPUs, burn's on other devices.
///
/// ```text
/// m ← β₁ m + (1 − β₁) g,  v ← β₂ v + (1 − β₂) g²,  θ ← θ − η m̂ / (√v̂ + ε)
/// ```
#[derive(Clone)]
pub struct Adam {
    /// L2 penalty: penalty · weight is added to the gradient.
    penalty: f32,
    /// Decoupled weight decay: learning rate · decay · weight is subtracted (Loshchilov & Hutter 2019, algorithm 2).
    decay: f32,
    fallback: Fallback,
}

/// burn's optimizers. Their states differ only in type.
#[derive(Clone)]
enum Fallback {
    Adam(burn::optim::Adam),
    AdamW(burn::optim::AdamW),
}

impl Adam {
    /// With an L2 penalty.
    pub fn new(penalty: f32) -> Self {
        let config = AdamConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
        let config = config.with_weight_decay((penalty > 0.0).then(|| WeightDecayConfig::new(penalty)));
        Self { penalty, decay: 0.0, fallback: Fallback::Adam(config.build()) }
    }

    /// With decoupled weight decay.
    pub fn decoupled(decay: f32) -> Self {
        let config = AdamWConfig::new().with_beta_1(BETA_1).with_beta_2(BETA_2).with_epsilon(EPSILON);
        Self { penalty: 0.0, decay, fallback: Fallback::AdamW(config.with_weight_decay(decay).build()) }
    }

    /// Updates a chunk at step `time`, counted from 1.
    fn pass(&self, time: usize, rate: LearningRate, [weight, m, v]: [&mut [f32]; 3], gradient: &[f32]) {
        let bias_correction = |beta: f32| 1.0 / (1.0 - beta.powi(time as i32));
        let [m_correction, v_correction] = [BETA_1, BETA_2].map(bias_correction);
        let (retained, rate) = ((1.0 - rate * f64::from(self.decay)) as f32, rate as f32);
        for (((w, m), v), g) in weight.iter_mut().zip(m).zip(v).zip(gradient) {
            let g = g + self.penalty * *w;
            *m = BETA_1 * *m + (1.0 - BETA_1) * g;
            *v = BETA_2 * *v + (1.0 - BETA_2) * (g * g);
            *w = retained * *w - rate * (*m * m_correction) / ((*v * v_correction).sqrt() + EPSILON);
        }
    }
}

impl Fallback {
    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        match self {
            Self::Adam(adam) => adam.step(rate, weight, gradient, state),
            Self::AdamW(adam) => {
                let state = state.map(|state| AdamWState::new(state.momentum));
                let (weight, state) = adam.step(rate, weight, gradient, state);
                (weight, state.map(|state| AdamState::new(state.momentum)))
            }
        }
    }
}

impl Optimizer for Adam {
    type State<const D: usize> = AdamState<D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        weight: Tensor<D>,
        gradient: Tensor<D>,
        state: Option<AdamState<D>>,
    ) -> (Tensor<D>, Option<AdamState<D>>) {
        if !CpuValues::supports(&weight) || !CpuValues::supports(&gradient) {
            return self.fallback.step(rate, weight, gradient, state);
        }
        let (time, moments) = match state {
            Some(AdamState { momentum }) => (momentum.time, [momentum.moment_1, momentum.moment_2]),
            None => (0, [(); 2].map(|()| weight.zeros_like())),
        };
        let time = time + 1;
        let ([mut m, mut v], mut weight, gradient) =
            (moments.map(CpuValues::from_tensor), CpuValues::from_tensor(weight), CpuValues::from_tensor(gradient));
        let chunks = weight.slice_mut().par_chunks_mut(CHUNK);
        let chunks = chunks.zip(m.slice_mut().par_chunks_mut(CHUNK)).zip(v.slice_mut().par_chunks_mut(CHUNK));
        chunks.zip(gradient.slice().par_chunks(CHUNK)).for_each(|(((weight, m), v), gradient)| {
            self.pass(time, rate, [weight, m, v], gradient);
        });
        let state = AdamState::new(AdaptiveMomentumState::new(time, m.into_tensor(), v.into_tensor()));
        (weight.into_tensor(), Some(state))
    }

    fn to_device<const D: usize>(state: AdamState<D>, device: &Device) -> AdamState<D> {
        burn::optim::Adam::to_device(state, device)
    }
}
