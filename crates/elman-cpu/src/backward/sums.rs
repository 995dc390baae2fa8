//! Gradients that are sums over rows and time.

use rayon::prelude::*;

use crate::{
    Backward, Sequences,
    kernel::Counts,
    matmul::{Matrix, matmul},
};

/// By the recurrent weights: `Σ_t productᵀ h_{t−1}`, of the late gates with what they were multiplied with instead.
pub(super) fn by_weights(counts: Counts, from: &Backward<'_>, product: &[f32], late: &[f32], into: &mut [f32]) {
    let Sequences { time, batch, hidden, output, reverse, .. } = from.sequences;
    let (rows, gates, early) = (time * batch, counts.gates * hidden, counts.early() * hidden);
    assert_eq!(into.len(), from.weights.len(), "gradient by the weights: [G·H, P]");
    let (into, into_late) = into.split_at_mut(early * output);
    let product = Matrix::new(product, rows, gates);
    if counts.late > 0 {
        let turned = product.columns_of(early..gates).transposed();
        matmul(turned, Matrix::new(late, rows, hidden), into_late, false);
    }
    let product = product.columns_of(0..early);
    // the states before: the initial one, then all but the last
    let walked = rows - batch;
    let (first, rest) = if reverse { (walked..rows, 0..walked) } else { (0..batch, batch..rows) };
    let states = if reverse { batch..rows } else { 0..walked };
    let states = &from.states[states.start * output..states.end * output];
    let (initial, masked);
    let (initial, states) = match from.variant.dropout {
        None => (&from.state[..batch * output], states),
        Some(dropout) => {
            initial = drop(&from.state[..batch * output], dropout);
            masked = drop(states, dropout);
            (&initial[..], &masked[..])
        }
    };
    matmul(product.rows_of(first).transposed(), Matrix::new(initial, batch, output), into, false);
    if walked > 0 {
        matmul(product.rows_of(rest).transposed(), Matrix::new(states, walked, output), into, true);
    }
}

/// Each batch of states times the mask.
fn drop(states: &[f32], dropout: &[f32]) -> Vec<f32> {
    let mut dropped = states.to_vec();
    dropped.par_chunks_mut(dropout.len()).for_each(|states| {
        for (state, mask) in states.iter_mut().zip(dropout) {
            *state *= mask;
        }
    });
    dropped
}

/// By the projection: `Σ_t projectedᵀ output`.
pub(super) fn by_projection(from: &Backward<'_>, projected: &[f32], cell_output: &[f32], into: &mut [f32]) {
    let Sequences { time, batch, hidden, output, .. } = from.sequences;
    assert_eq!(into.len(), output * hidden, "gradient by the projection: [P, H]");
    let rows = time * batch;
    let projected = Matrix::new(projected, rows, output);
    matmul(projected.transposed(), Matrix::new(cell_output, rows, hidden), into, false);
}
