use burn::tensor::{Shape, Tensor};

use super::{ScanInput, ScanOutput};
use crate::cell::Linear;

/// The parallel scan of the linear recurrence `h_t = a_t ⊙ h_{t-1} + b_t`, in `log2 T` rounds over all time steps
/// (Hillis & Steele 1986).
///
/// After the round with distance `d`, `(a_t, b_t)` composes the steps `t − 2d + 1 … t`. Products of decays, which are
/// in (0, 1), may underflow to zero; the contribution of the earlier state is then negligible.
pub(super) fn scan(coefficients: Linear<3>, scan: ScanInput) -> ScanOutput {
    let Linear { mut decay, mut update } = coefficients;
    let [time, batch, d_hidden] = update.dims();
    let initial = scan.state[0].clone();
    if let Some(active) = scan.active {
        // an ended row keeps its state: h = 1·h + 0
        let ended = active.mask.bool_not().expand(Shape::new([time, batch, d_hidden]));
        decay = decay.mask_fill(ended.clone(), 1.0);
        update = update.mask_fill(ended, 0.0);
    }
    if scan.reverse {
        decay = decay.flip([0]);
        update = update.flip([0]);
    }
    let first = update.clone().narrow(0, 0, 1) + decay.clone().narrow(0, 0, 1) * initial.unsqueeze_dim(0);
    update = if time == 1 { first } else { Tensor::cat(vec![first, update.narrow(0, 1, time - 1)], 0) };

    let mut distance = 1;
    while distance < time {
        let rest = time - distance;
        let later = decay.clone().narrow(0, distance, rest);
        let carried = later.clone() * update.clone().narrow(0, 0, rest) + update.clone().narrow(0, distance, rest);
        update = Tensor::cat(vec![update.narrow(0, 0, distance), carried], 0);
        decay = Tensor::cat(vec![decay.clone().narrow(0, 0, distance), later * decay.narrow(0, 0, rest)], 0);
        distance *= 2;
    }
    let last = update.clone().narrow(0, time - 1, 1).squeeze_dim(0);
    let states = if scan.reverse { update.flip([0]) } else { update };
    ScanOutput { states: vec![states], last: vec![last] }
}
