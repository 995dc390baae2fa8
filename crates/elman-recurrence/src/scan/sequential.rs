use burn::tensor::{Bool, Tensor};

use super::{RecurrentWeights, ScanInput, ScanOutput, steps::steps};
use crate::cell::Cell;

/// The reference walk: `gates_t = input_t + U h_{t-1}`, `s_t = cell(gates_t, s_{t-1})`, one step after the other.
pub(super) fn walk<C: Cell>(cell: &C, scan: ScanInput, keep: usize) -> ScanOutput {
    let ScanInput { input, recurrent, mut state, active, reverse } = scan;
    let time = input.dims()[0];
    let d_hidden = input.dims()[2] / C::GATES;
    let product = recurrent.map(|weights| Product::new(weights, cell.late_gates() * d_hidden));
    let inputs = steps(input);

    let mut order: Vec<usize> = (0..time).collect();
    if reverse {
        order.reverse();
    }
    let mut kept: Vec<Vec<Tensor<2>>> = vec![vec![state[0].clone(); time]; keep];
    for t in order {
        let recurrent = product.as_ref().map(|p| p.apply(cell, &inputs[t], &state));
        let mut next = cell.forward(inputs[t].clone(), recurrent, &state);
        if let Some(projection) = product.as_ref().and_then(|p| p.projection.clone()) {
            next[0] = next[0].clone().matmul(projection);
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

/// The recurrent product with its weights transposed once per sequence, split into early and late gates.
struct Product {
    early: Tensor<2>,
    early_bias: Option<Tensor<2>>,
    late: Option<Tensor<2>>,
    late_bias: Option<Tensor<2>>,
    projection: Option<Tensor<2>>,
}

impl Product {
    fn new(weights: RecurrentWeights, late_rows: usize) -> Self {
        let rows = weights.hidden.dims()[0];
        let early_rows = rows - late_rows;
        let bias = weights.bias.map(|b| b.unsqueeze::<2>());
        let cut = |start: usize, len: usize| weights.hidden.clone().narrow(0, start, len).transpose();
        let cut_bias = |start: usize, len: usize| bias.clone().map(|b| b.narrow(1, start, len));
        let (early, late) = match late_rows {
            0 => (weights.hidden.clone().transpose(), None),
            _ => (cut(0, early_rows), Some(cut(early_rows, late_rows))),
        };
        Self {
            early,
            early_bias: cut_bias(0, early_rows),
            late_bias: late.as_ref().and_then(|_| cut_bias(early_rows, late_rows)),
            late,
            projection: weights.projection.map(Tensor::transpose),
        }
    }

    fn apply<C: Cell>(&self, cell: &C, input: &Tensor<2>, state: &[Tensor<2>]) -> Tensor<2> {
        let early = add(state[0].clone().matmul(self.early.clone()), &self.early_bias);
        match &self.late {
            None => early,
            Some(weights) => {
                let late = cell.late_input(input, &early, state).matmul(weights.clone());
                Tensor::cat(vec![early, add(late, &self.late_bias)], 1)
            }
        }
    }
}

fn add(product: Tensor<2>, bias: &Option<Tensor<2>>) -> Tensor<2> {
    match bias {
        Some(bias) => product + bias.clone(),
        None => product,
    }
}
