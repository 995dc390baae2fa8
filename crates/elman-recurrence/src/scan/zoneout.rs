use burn::tensor::Tensor;

/// Zoneout (Krueger et al. 2017): `z ⊙ s_{t−1} + (1 − z) ⊙ s_t`, for each state of a cell.
#[derive(Clone, Debug)]
pub enum Zoneout {
    /// In training, `z` of every element, 0 or 1: one tensor for each state, `[T, B, P]` for the hidden state and
    /// `[T, B, H]` for the others.
    Masks(Vec<Tensor<3>>),
    /// In inference, the probability that `z` is 1, for the hidden state and for the others.
    Rates([f64; 2]),
}

impl Zoneout {
    /// Applies zoneout to the states `next` of a time step, given the previous states.
    pub(super) fn apply(&self, t: usize, previous: &[Tensor<2>], next: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let mix = |(n, (next, previous)): (usize, (Tensor<2>, &Tensor<2>))| match self {
            Self::Masks(masks) => {
                let z: Tensor<2> = masks[n].clone().narrow(0, t, 1).squeeze_dim(0);
                z.clone() * previous.clone() + (-z + 1.0) * next
            }
            Self::Rates(rates) => previous.clone() * rates[n.min(1)] + next * (1.0 - rates[n.min(1)]),
        };
        next.into_iter().zip(previous).enumerate().map(mix).collect()
    }
}
