use burn::tensor::{Bool, Tensor};

use super::{RecurrentWeights, ScanInput, ScanOutput, norm::normalize, steps::steps};
use crate::cell::Cell;

/// The reference scan: `gates_t = input_t + U h_{t-1}`, `s_t = cell(gates_t, s_{t-1})`, sequentially.
pub(super) fn scan<C: Cell>(cell: &C, scan: ScanInput, num_states: usize) -> ScanOutput {
    let ScanInput { input, recurrent, mut state, active, reverse, dropout, zoneout } = scan;
    let time = input.dims()[0];
    let d_hidden = input.dims()[2] / C::GATES;
    let product = recurrent.map(|weights| RecurrentProduct::new(weights, cell.candidate_gates() * d_hidden));
    let inputs = steps(input);

    let mut order: Vec<usize> = (0..time).collect();
    if reverse {
        order.reverse();
    }
    let mut states: Vec<Vec<Tensor<2>>> = vec![vec![state[0].clone(); time]; num_states];
    for t in order {
        let recurrent = product.as_ref().map(|p| p.apply(cell, &inputs[t], &with_dropout(&state, &dropout)));
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
        for (states, state) in states.iter_mut().zip(&state) {
            states[t] = state.clone();
        }
    }
    ScanOutput { states: states.into_iter().map(|steps| Tensor::stack(steps, 0)).collect(), last: state }
}

/// `new` where the row is active, `old` where it has ended.
fn select(active: Tensor<2, Bool>, new: Tensor<2>, old: Tensor<2>) -> Tensor<2> {
    let shape = new.dims();
    old.mask_where(active.expand(shape), new)
}

/// The state with its hidden state multiplied by the mask of recurrent dropout.
fn with_dropout(state: &[Tensor<2>], dropout: &Option<Tensor<2>>) -> Vec<Tensor<2>> {
    let mut state = state.to_vec();
    if let Some(mask) = dropout {
        state[0] = state[0].clone() * mask.clone();
    }
    state
}

/// The recurrent product, with weights transposed once per sequence and split at the candidate gates.
struct RecurrentProduct {
    gates: GateGroup,
    candidates: Option<GateGroup>,
    projection: Option<Tensor<2>>,
}

/// The recurrent product of some of the gates.
struct GateGroup {
    /// `[P, gates·H]`
    weights: Tensor<2>,
    /// `[1, gates·H]`
    bias: Option<Tensor<2>>,
    /// `[1, gates·H]`
    gain: Option<Tensor<2>>,
}

impl RecurrentProduct {
    fn new(weights: RecurrentWeights, candidate_rows: usize) -> Self {
        let RecurrentWeights { hidden, bias, projection, gain } = weights;
        let rows = hidden.dims()[0] - candidate_rows;
        let group = |start: usize, len: usize| {
            let row = |values: &Option<Tensor<1>>| values.clone().map(|v| v.narrow(0, start, len).unsqueeze::<2>());
            GateGroup { weights: hidden.clone().narrow(0, start, len).transpose(), bias: row(&bias), gain: row(&gain) }
        };
        Self {
            gates: group(0, rows),
            candidates: (candidate_rows > 0).then(|| group(rows, candidate_rows)),
            projection: projection.map(Tensor::transpose),
        }
    }

    fn apply<C: Cell>(&self, cell: &C, input: &Tensor<2>, state: &[Tensor<2>]) -> Tensor<2> {
        let gates = self.gates.apply(state[0].clone());
        match &self.candidates {
            None => gates,
            Some(candidates) => {
                let candidates = candidates.apply(cell.candidate_input(input, &gates, state));
                Tensor::cat(vec![gates, candidates], 1)
            }
        }
    }
}

impl GateGroup {
    /// The product of the weights and `input`, layer-normalized if there is a gain, plus the bias.
    fn apply(&self, input: Tensor<2>) -> Tensor<2> {
        let mut product = input.matmul(self.weights.clone());
        if let Some(gain) = &self.gain {
            product = normalize(product) * gain.clone();
        }
        match &self.bias {
            Some(bias) => product + bias.clone(),
            None => product,
        }
    }
}
