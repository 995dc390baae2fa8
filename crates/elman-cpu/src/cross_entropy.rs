//! A linear layer fused with the cross-entropy of its softmax, a chunk of rows at a time.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    Isa,
    math::exp,
    matmul::{Matrix, matmul},
    product::{load_some, store_some},
    sums::sum_of_rows,
    threading::threads,
};

/// The mean over the rows of `−ln softmax(logits)[target]`, with `logits = hidden · weight + bias`.
///
/// Legend: `N` rows, `H` their width, `V` classes.
#[derive(Clone, Copy, Debug)]
pub struct LinearCrossEntropy<'a> {
    /// `[N, H]`
    pub hidden: &'a [f32],
    /// `[H, V]`, or `[V, H]` if [`tied`](Self::tied).
    pub weight: &'a [f32],
    /// `[V]`
    pub bias: &'a [f32],
    /// `[N]`, each below `V`.
    pub targets: &'a [usize],
    /// Whether the weight has the layout of an embedding, one row per class.
    pub tied: bool,
}

/// Buffers for the gradients of the mean loss. Each has the shape of the field of the same name in
/// [`LinearCrossEntropy`].
#[derive(Debug)]
pub struct LinearCrossEntropyInto<'a> {
    /// Gradient with respect to `hidden`.
    pub hidden: &'a mut [f32],
    /// Gradient with respect to `weight`.
    pub weight: &'a mut [f32],
    /// Gradient with respect to `bias`.
    pub bias: &'a mut [f32],
}

/// Maximum logits of a chunk (16 MiB), unless [`MIN_ROWS`] rows have more.
const MAX_LOGITS: usize = 1 << 22;

/// Minimum rows of a chunk: matrix products of fewer rows are slow.
const MIN_ROWS: usize = 16;

/// Returns the mean loss in nats. Computes the gradients too if `into` is given, which is cheap while the logits are in
/// memory.
///
/// Holds at most 2²² logits, or 16 rows of them if that is more.
///
/// # Panics
/// If `N`, `H` or `V` is 0, a slice has the wrong size, or a target is not a class.
pub fn linear_cross_entropy(isa: Isa, from: LinearCrossEntropy<'_>, into: Option<LinearCrossEntropyInto<'_>>) -> f32 {
    let LinearCrossEntropy { hidden, weight, bias, targets, tied } = from;
    let (rows, classes) = (targets.len(), bias.len());
    let width = hidden.len() / rows.max(1);
    assert!(
        rows > 0 && width > 0 && classes > 0,
        "[rows, width, classes] = [{rows}, {width}, {classes}] must be at least 1"
    );
    assert_eq!(hidden.len(), rows * width, "hidden: [N, H]");
    assert_eq!(weight.len(), width * classes, "weight: {}", if tied { "[V, H]" } else { "[H, V]" });
    assert!(targets.iter().all(|target| *target < classes), "targets: each below {classes}");
    let weight =
        if tied { Matrix::new(weight, classes, width).transposed() } else { Matrix::new(weight, width, classes) };
    let mut into = into.inspect(|into| {
        assert_eq!(into.hidden.len(), hidden.len(), "gradient of hidden: [N, H]");
        assert_eq!(into.weight.len(), width * classes, "gradient of the weight: the size of the weight");
        assert_eq!(into.bias.len(), classes, "gradient of the bias: [V]");
    });

    let chunk_rows = (MAX_LOGITS / classes).max(MIN_ROWS).min(rows);
    let mut logits = vec![0.0; chunk_rows * classes];
    let mut sum = 0.0;
    for start in (0..rows).step_by(chunk_rows) {
        let count = chunk_rows.min(rows - start);
        let logits = &mut logits[..count * classes];
        let chunk = Matrix::new(&hidden[start * width..][..count * width], count, width);
        logits.par_chunks_mut(classes).for_each(|row| row.copy_from_slice(bias));
        matmul(chunk, weight, logits, true);
        let scale = into.as_ref().map(|_| 1.0 / rows as f32);
        sum += logits
            .par_chunks_mut(classes)
            .zip(&targets[start..][..count])
            .map(|(logits, target)| isa.run(RowLoss { logits, target: *target, scale }))
            .collect::<Vec<f64>>() // sum sequentially, which makes the result deterministic
            .into_iter()
            .sum::<f64>();
        if let Some(into) = &mut into {
            let d_logits = Matrix::new(logits, count, classes);
            hidden_grad(logits, weight, &mut into.hidden[start * width..][..count * width]);
            let (left, right) = if tied { (d_logits.transposed(), chunk) } else { (chunk.transposed(), d_logits) };
            matmul(left, right, into.weight, start > 0);
            sum_of_rows(logits, None, into.bias, start > 0);
        }
    }
    (sum / rows as f64) as f32
}

/// `into = d_logits · weightᵀ`. Each thread computes its own rows: a general product divides the result among threads,
/// which is small here, while the sums are long.
fn hidden_grad(d_logits: &[f32], weight: Matrix<'_>, into: &mut [f32]) {
    let [width, classes] = weight.size();
    let rows = (into.len() / width).div_ceil(threads()).max(1);
    into.par_chunks_mut(rows * width).zip(d_logits.par_chunks(rows * classes)).for_each(|(into, d_logits)| {
        let d_logits = Matrix::new(d_logits, d_logits.len() / classes, classes);
        matmul(d_logits, weight.transposed(), into, false);
    });
}

/// The loss of one row. With a scale, the logits are replaced by their gradients, `scale · (softmax − one-hot)`.
struct RowLoss<'a> {
    logits: &'a mut [f32],
    target: usize,
    scale: Option<f32>,
}

impl WithSimd for RowLoss<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> f64 {
        let Self { logits, target, scale } = self;
        let at_target = logits[target];
        let (whole, rest) = S::as_mut_simd_f32s(logits);
        let mut max = s.splat_f32s(f32::NEG_INFINITY);
        for x in whole.iter() {
            max = s.max_f32s(max, *x);
        }
        let max = rest.iter().copied().fold(s.reduce_max_f32s(max), f32::max);

        let max_lanes = s.splat_f32s(max);
        // four accumulators, so that additions do not wait for each other; in blocks, so that each sum stays small
        let mut total = s.splat_f32s(0.0);
        for block in whole.chunks_mut(1 << 8) {
            let mut sums = [s.splat_f32s(0.0); 4];
            for four in block.chunks_mut(4) {
                for (x, sum) in four.iter_mut().zip(&mut sums) {
                    let e = exp(s, s.sub_f32s(*x, max_lanes));
                    *sum = s.add_f32s(*sum, e);
                    if scale.is_some() {
                        *x = e;
                    }
                }
            }
            let [a, b, c, d] = sums;
            total = s.add_f32s(total, s.add_f32s(s.add_f32s(a, b), s.add_f32s(c, d)));
        }
        let mut sum = s.reduce_sum_f32s(total);
        if !rest.is_empty() {
            // SAFETY: the rest is shorter than a register.
            unsafe {
                let x = load_some(s, rest.as_ptr(), rest.len());
                let e = exp(s, s.sub_f32s(x, max_lanes));
                store_some(s, rest.as_mut_ptr(), rest.len(), e);
            }
            sum += rest.iter().sum::<f32>();
        }
        if let Some(scale) = scale {
            let factor = s.splat_f32s(scale / sum);
            for x in whole.iter_mut() {
                *x = s.mul_f32s(*x, factor);
            }
            for x in rest.iter_mut() {
                *x *= scale / sum;
            }
            logits[target] -= scale;
        }
        f64::from(sum).ln() - (f64::from(at_target) - f64::from(max))
    }
}
