//! Weight gradients: sums over rows and time.

use rayon::prelude::*;

use crate::{
    Backward, Sequences,
    kernel::CellSpec,
    matmul::{Matrix, matmul},
};

/// The gradient with respect to the recurrent weights: `Σ_t d_productᵀ h_{t−1}`, with the candidate input in place of
/// `h_{t−1}` for candidate gates.
pub(super) fn recurrent_weights(
    spec: CellSpec,
    from: &Backward<'_>,
    d_product: &[f32],
    candidate_input: &[f32],
    into: &mut [f32],
) {
    let Sequences { time, batch, hidden, output, reverse, .. } = from.sequences;
    let (rows, gates, candidate_start) = (time * batch, spec.gates * hidden, spec.non_candidate_gates() * hidden);
    assert_eq!(into.len(), from.weights.len(), "gradient of the weights: [G·H, P]");
    let (into, into_candidate) = into.split_at_mut(candidate_start * output);
    let d_product = Matrix::new(d_product, rows, gates);
    if spec.candidate_gates > 0 {
        let transposed = d_product.columns_of(candidate_start..gates).transposed();
        matmul(transposed, Matrix::new(candidate_input, rows, hidden), into_candidate, false);
    }
    let d_product = d_product.columns_of(0..candidate_start);
    // the previous states: the initial one, then all but the last
    let rest_rows = rows - batch;
    let (first, rest) = if reverse { (rest_rows..rows, 0..rest_rows) } else { (0..batch, batch..rows) };
    let states = if reverse { batch..rows } else { 0..rest_rows };
    let states = &from.states[states.start * output..states.end * output];
    let (initial, masked);
    let (initial, states) = match from.variant.dropout {
        None => (&from.state[..batch * output], states),
        Some(dropout) => {
            initial = apply_mask(&from.state[..batch * output], dropout);
            masked = apply_mask(states, dropout);
            (&initial[..], &masked[..])
        }
    };
    matmul(d_product.rows_of(first).transposed(), Matrix::new(initial, batch, output), into, false);
    if rest_rows > 0 {
        matmul(d_product.rows_of(rest).transposed(), Matrix::new(states, rest_rows, output), into, true);
    }
}

/// The states of every time step, multiplied by the dropout mask.
fn apply_mask(states: &[f32], dropout: &[f32]) -> Vec<f32> {
    let mut masked = states.to_vec();
    masked.par_chunks_mut(dropout.len()).for_each(|states| {
        for (state, mask) in states.iter_mut().zip(dropout) {
            *state *= mask;
        }
    });
    masked
}

/// The gradient with respect to the projection: `Σ_t d_projectedᵀ output`.
pub(super) fn projection(from: &Backward<'_>, d_projected: &[f32], cell_output: &[f32], into: &mut [f32]) {
    let Sequences { time, batch, hidden, output, .. } = from.sequences;
    assert_eq!(into.len(), output * hidden, "gradient of the projection: [P, H]");
    let rows = time * batch;
    let d_projected = Matrix::new(d_projected, rows, output);
    matmul(d_projected.transposed(), Matrix::new(cell_output, rows, hidden), into, false);
}
