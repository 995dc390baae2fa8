use burn::tensor::{Bool, Tensor};

use super::{RecurrentWeights, ScanInput, ScanOutput, norm::normalise, steps::steps};
use crate::cell::Cell;

/// The reference walk: `gates_t = input_t + U h_{t-1}`, `s_t = cell(gates_t, s_{t-1})`, one step after the other.
pub(super) fn walk<C: Cell>(cell: &C, scan: ScanInput, keep: usize) -> ScanOutput {
    let ScanInput { input, recurrent, mut state, active, reverse, dropout, zoneout } = scan;
    let time = input.dims()[0];
    let d_hidden = input.dims()[2] / C::GATES;
    let product = recurrent.map(|weights| Product::new(weights, cell.candidate_gates() * d_hidden));
    let inputs = steps(input);

    let mut order: Vec<usize> = (0..time).collect();
    if reverse {
        order.reverse();
    }
    let mut kept: Vec<Vec<Tensor<2>>> = vec![vec![state[0].clone(); time]; keep];
    for t in order {
        let recurrent = product.as_ref().map(|p| p.apply(cell, &inputs[t], &dropped(&state, &dropout)));
        let mut next = cell.forward(inputs[t].clone(), recurrent, &state);
        if let Some(projection) = product.as_ref().and_then(|p| p.projection.clone()) {
            next[0] = next[0].clone().matmul(projection);
        }
        if let Some(zoneout) = &zoneout {
            next = zoneout.apply(t, &state, next);
        }
        if let Some(active) = active.as_ref().filter(|a| t >= a.full_until) {
            let mask: Tensor<2, Bool> = active.mask.clone().narrow(0, t, 1).squeeze_dim(0);
            next = next.into_iter().zip(state).map(|(new, old)| select(mask.clone(), new, old)).collect();
        }
        state = next;
        for (kept, state) in kept.iter_mut().zip(&state) {
            kept[t] = state.clone();
        }
    }
    ScanOutput { states: kept.into_iter().map(|steps| Tensor::stack(steps, 0)).collect(), last: state }
}

/// `new` where the row is active, `old` where it has ended.
fn select(active: Tensor<2, Bool>, new: Tensor<2>, old: Tensor<2>) -> Tensor<2> {
    let shape = new.dims();
    old.mask_where(active.expand(shape), new)
}

/// The state whose hidden state is multiplied with the mask of recurrent dropout.
fn dropped(state: &[Tensor<2>], dropout: &Option<Tensor<2>>) -> Vec<Tensor<2>> {
    let mut state = state.to_vec();
    if let Some(mask) = dropout {
        state[0] = state[0].clone() * mask.clone();
    }
    state
}

/// The recurrent product with its weights transposed once per sequence, split into early and late gates.
struct Product {
    early: Part,
    late: Option<Part>,
    projection: Option<Tensor<2>>,
}

/// Some gates of it.
struct Part {
    /// `[P, gates·H]`
    weights: Tensor<2>,
    /// `[1, gates·H]`, as the next one.
    bias: Option<Tensor<2>>,
    gain: Option<Tensor<2>>,
}

impl Product {
    fn new(weights: RecurrentWeights, late_rows: usize) -> Self {
        let RecurrentWeights { hidden, bias, projection, gain } = weights;
        let early_rows = hidden.dims()[0] - late_rows;
        let part = |start: usize, len: usize| {
            let row = |of: &Option<Tensor<1>>| of.clone().map(|of| of.narrow(0, start, len).unsqueeze::<2>());
            Part { weights: hidden.clone().narrow(0, start, len).transpose(), bias: row(&bias), gain: row(&gain) }
        };
        Self {
            early: part(0, early_rows),
            late: (late_rows > 0).then(|| part(early_rows, late_rows)),
            projection: projection.map(Tensor::transpose),
        }
    }

    fn apply<C: Cell>(&self, cell: &C, input: &Tensor<2>, state: &[Tensor<2>]) -> Tensor<2> {
        let early = self.early.of(state[0].clone());
        match &self.late {
            None => early,
            Some(late) => {
                let late = late.of(cell.candidate_input(input, &early, state));
                Tensor::cat(vec![early, late], 1)
            }
        }
    }
}

impl Part {
    /// The product with what is fed in, normalised where there is a gain, and the bias.
    fn of(&self, fed: Tensor<2>) -> Tensor<2> {
        let mut product = fed.matmul(self.weights.clone());
        if let Some(gain) = &self.gain {
            product = normalise(product) * gain.clone();
        }
        match &self.bias {
            Some(bias) => product + bias.clone(),
            None => product,
        }
    }
}
