use burn::tensor::Tensor;

/// Zoneout (Krueger et al. 2017): `z ⊙ s_{t−1} + (1 − z) ⊙ s_t`, for each state of a cell.
#[derive(Clone, Debug)]
pub enum Zoneout {
    /// In training, `z` of every element, 0 or 1: one tensor for each state, `[T, B, P]` of the hidden state and `[T, B, H]`
    /// of others.
    Masks(Vec<Tensor<3>>),
    /// In inference, the probability that `z` is 1: of the hidden state and of others.
    Rates([f64; 2]),
}

impl Zoneout {
    /// The states of a time step where they come from `before` and would be `next`.
    pub(super) fn apply(&self, t: usize, before: &[Tensor<2>], next: Vec<Tensor<2>>) -> Vec<Tensor<2>> {
        let one = |(n, (next, before)): (usize, (Tensor<2>, &Tensor<2>))| match self {
            Self::Masks(masks) => {
                let z: Tensor<2> = masks[n].clone().narrow(0, t, 1).squeeze_dim(0);
                z.clone() * before.clone() + (-z + 1.0) * next
            }
            Self::Rates(rates) => before.clone() * rates[n.min(1)] + next * (1.0 - rates[n.min(1)]),
        };
        next.into_iter().zip(before).enumerate().map(one).collect()
    }
}
