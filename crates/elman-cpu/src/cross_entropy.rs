//! A linear layer and the cross-entropy of its softmax in one piece, a few rows of logits at a time.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    Isa,
    math::exp,
    matmul::{Matrix, matmul},
    product::{load_some, store_some},
    sums::sum_of_rows,
    team::threads,
};

/// What is computed: `logits = hidden · weight + bias`, and the mean over the rows of `−ln softmax(logits)[target]`.
///
/// Legend: `N` rows, `H` their width, `V` classes.
#[derive(Clone, Copy, Debug)]
pub struct LinearCrossEntropy<'a> {
    /// `[N, H]`
    pub hidden: &'a [f32],
    /// `[H, V]`; `[V, H]` if it is [`tied`](Self::tied).
    pub weight: &'a [f32],
    /// `[V]`
    pub bias: &'a [f32],
    /// `[N]`, each below `V`.
    pub targets: &'a [usize],
    /// Whether the weight lies as an embedding does, a row for each class.
    pub tied: bool,
}

/// The gradients of the mean loss, each of the shape of its namesake in [`LinearCrossEntropy`].
#[derive(Debug)]
pub struct LinearCrossEntropyInto<'a> {
    /// By the hidden values.
    pub hidden: &'a mut [f32],
    /// By the weight.
    pub weight: &'a mut [f32],
    /// By the bias.
    pub bias: &'a mut [f32],
}

/// Most logits that are held at a time, unless [`FEWEST_ROWS`] have more: 16 MiB.
const MAX_LOGITS: usize = 1 << 22;

/// Fewer rows at a time make a poor matrix product.
const FEWEST_ROWS: usize = 16;

/// The mean loss in nats; and its gradients, if they are asked for, for they cost little while the logits are at hand.
///
/// Never holds more than 2²² logits, or 16 rows of them.
///
/// # Panics
/// If there are no rows or the rows are empty, a slice has another size, or a target is no class.
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
        assert_eq!(into.hidden.len(), hidden.len(), "gradient by hidden: [N, H]");
        assert_eq!(into.weight.len(), width * classes, "gradient by the weight: as the weight");
        assert_eq!(into.bias.len(), classes, "gradient by the bias: [V]");
    });

    let at_once = (MAX_LOGITS / classes).max(FEWEST_ROWS).min(rows);
    let mut logits = vec![0.0; at_once * classes];
    let mut sum = 0.0;
    for start in (0..rows).step_by(at_once) {
        let count = at_once.min(rows - start);
        let logits = &mut logits[..count * classes];
        let part = Matrix::new(&hidden[start * width..][..count * width], count, width);
        logits.par_chunks_mut(classes).for_each(|row| row.copy_from_slice(bias));
        matmul(part, weight, logits, true);
        let scale = into.as_ref().map(|_| 1.0 / rows as f32);
        sum += logits
            .par_chunks_mut(classes)
            .zip(&targets[start..][..count])
            .map(|(logits, target)| isa.run(Row { logits, target: *target, scale }))
            .collect::<Vec<f64>>() // so that the sum's order, and with it the sum, is always the same
            .into_iter()
            .sum::<f64>();
        if let Some(into) = &mut into {
            let errors = Matrix::new(logits, count, classes);
            by_hidden(logits, weight, &mut into.hidden[start * width..][..count * width]);
            let (left, right) = if tied { (errors.transposed(), part) } else { (part.transposed(), errors) };
            matmul(left, right, into.weight, start > 0);
            sum_of_rows(logits, None, into.bias, start > 0);
        }
    }
    (sum / rows as f64) as f32
}

/// `into = errors · weightᵀ`, each thread with rows of its own: the result is small and the sums are long, and a general
/// product shares out the former.
fn by_hidden(errors: &[f32], weight: Matrix<'_>, into: &mut [f32]) {
    let [width, classes] = weight.size();
    let share = (into.len() / width).div_ceil(threads()).max(1);
    into.par_chunks_mut(share * width).zip(errors.par_chunks(share * classes)).for_each(|(into, errors)| {
        let errors = Matrix::new(errors, errors.len() / classes, classes);
        matmul(errors, weight.transposed(), into, false);
    });
}

/// The loss of one row; with a scale, its logits become their gradients, `scale · (softmax − one-hot)`.
struct Row<'a> {
    logits: &'a mut [f32],
    target: usize,
    scale: Option<f32>,
}

impl WithSimd for Row<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> f64 {
        let Self { logits, target, scale } = self;
        let at_target = logits[target];
        let (whole, rest) = S::as_mut_simd_f32s(logits);
        let mut most = s.splat_f32s(f32::NEG_INFINITY);
        for x in whole.iter() {
            most = s.max_f32s(most, *x);
        }
        let most = rest.iter().copied().fold(s.reduce_max_f32s(most), f32::max);

        let largest = s.splat_f32s(most);
        // in blocks of four parts each: the adders are kept busy, and each sum stays small
        let mut total = s.splat_f32s(0.0);
        for block in whole.chunks_mut(1 << 8) {
            let mut sums = [s.splat_f32s(0.0); 4];
            for four in block.chunks_mut(4) {
                for (x, sum) in four.iter_mut().zip(&mut sums) {
                    let e = exp(s, s.sub_f32s(*x, largest));
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
                let e = exp(s, s.sub_f32s(x, largest));
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
        f64::from(sum).ln() - (f64::from(at_target) - f64::from(most))
    }
}
