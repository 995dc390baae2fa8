use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, linalg::general_mat_mul};
use rayon::prelude::*;

use crate::examples::Examples;

/// Rows per matrix product: large enough for an efficient product, small enough for the cache.
const BLOCK_ROWS: usize = 256;

/// Chunks whose gradients are summed in a fixed order, so that the sum does not depend on the number of threads.
const CHUNKS: usize = 16;

/// Number of logits for a number of classes: two classes need one, since the logit of the first is 0.
pub(crate) fn num_outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

/// The loss of logistic regression: the mean over examples of −log p(label), plus ‖W‖² / (2 · strength · examples).
///
/// As in scikit-learn, where the strength is called C, the biases are not penalized and two classes have one row of
/// weights. Parameters are W, `[outputs, width]`, followed by the biases, `[outputs]`.
pub(crate) struct Objective<'a> {
    examples: &'a Examples,
    /// The class of every example, including those not in `rows`.
    classes: &'a [usize],
    rows: &'a [usize],
    outputs: usize,
    penalty: f64,
}

impl<'a> Objective<'a> {
    /// The loss over a subset of the examples, whose classes are below `count`.
    pub(crate) fn new(
        examples: &'a Examples,
        (classes, count): (&'a [usize], usize),
        rows: &'a [usize],
        strength: f64,
    ) -> Self {
        let penalty = 1.0 / (strength * rows.len() as f64);
        Self { examples, classes, rows, outputs: num_outputs(count), penalty }
    }

    /// Number of parameters.
    pub(crate) fn num_parameters(&self) -> usize {
        self.outputs * (self.examples.width() + 1)
    }

    /// The loss and its gradient.
    pub(crate) fn evaluate(&self, parameters: &[f64]) -> (f64, Vec<f64>) {
        let (flat, biases) = parameters.split_at(self.outputs * self.examples.width());
        let weights = ArrayView2::from_shape([self.outputs, self.examples.width()], flat).expect("a row per output");
        let biases = ArrayView1::from(biases);
        let chunk = self.rows.len().div_ceil(CHUNKS).max(1);
        let partials: Vec<_> = self.rows.par_chunks(chunk).map(|rows| self.partial(rows, weights, biases)).collect();

        let scale = 1.0 / self.rows.len() as f64;
        let mut loss = self.penalty / 2.0 * flat.iter().map(|w| w * w).sum::<f64>();
        let mut gradient: Vec<f64> = flat.iter().map(|w| self.penalty * w).collect();
        gradient.resize(parameters.len(), 0.0);
        for (partial_loss, d_weights, d_biases) in &partials {
            loss += scale * partial_loss;
            for (sum, value) in gradient.iter_mut().zip(d_weights.iter().chain(d_biases)) {
                *sum += scale * value;
            }
        }
        (loss, gradient)
    }

    /// The sums of the loss and of its gradients over `rows`.
    fn partial(
        &self,
        rows: &[usize],
        weights: ArrayView2<f64>,
        biases: ArrayView1<f64>,
    ) -> (f64, Array2<f64>, Array1<f64>) {
        let (mut loss, mut d_weights) = (0.0, Array2::zeros(weights.dim()));
        let mut d_biases = Array1::zeros(self.outputs);
        for block in rows.chunks(BLOCK_ROWS) {
            let values = block.iter().flat_map(|row| self.examples.vector(*row)).map(|x| f64::from(*x)).collect();
            let x = Array2::from_shape_vec([block.len(), self.examples.width()], values).expect("rows of one width");
            let mut logits = x.dot(&weights.t()) + biases;
            for (mut logits, row) in logits.axis_iter_mut(Axis(0)).zip(block) {
                let logits = logits.as_slice_mut().expect("rows are contiguous");
                loss += loss_and_gradient(logits, self.classes[*row]);
            }
            general_mat_mul(1.0, &logits.t(), &x, 1.0, &mut d_weights);
            d_biases += &logits.sum_axis(Axis(0));
        }
        (loss, d_weights, d_biases)
    }
}

/// Returns −log p(class) and replaces the logits with its gradient.
fn loss_and_gradient(logits: &mut [f64], class: usize) -> f64 {
    if let [logit] = logits {
        let (z, y) = (*logit, class as f64);
        // log(1 + eᶻ) − y·z, written so that the exponent is never positive
        let loss = z.max(0.0) + (-z.abs()).exp().ln_1p() - y * z;
        *logit = sigmoid(z) - y;
        return loss;
    }
    let logit = logits[class];
    let log_sum = softmax(logits);
    logits[class] -= 1.0;
    log_sum - logit
}

/// 1 / (1 + e⁻ᶻ).
pub(crate) fn sigmoid(z: f64) -> f64 {
    let e = (-z.abs()).exp();
    if z >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) }
}

/// Replaces logits with probabilities and returns log Σ eᶻ.
pub(crate) fn softmax(logits: &mut [f64]) -> f64 {
    let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|z| *z = (*z - max).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|e| *e /= sum);
    max + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences in f64: the error is O(STEP²).
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-8;

    #[test]
    fn the_gradient_equals_finite_differences() {
        for count in [2, 3, 5] {
            let mut examples = Examples::new(4);
            for n in 0..600_u32 {
                let vector = [0, 1, 2, 3].map(|j| (n * 7 + j * 13 + n * j) as f32 % 11.0 / 5.0 - 1.0);
                examples.push(&vector, &(n as usize % count).to_string()).unwrap();
            }
            let classes = examples.classes();
            // half of the rows
            let rows: Vec<usize> = (0..examples.len()).step_by(2).collect();
            let objective = Objective::new(&examples, (&classes, count), &rows, 0.5);
            let parameters: Vec<f64> = (0..objective.num_parameters()).map(|i| (i as f64 * 0.7).sin()).collect();
            let gradient = objective.evaluate(&parameters).1;
            for i in 0..parameters.len() {
                let loss_at = |delta: f64| {
                    let mut shifted = parameters.clone();
                    shifted[i] += delta;
                    objective.evaluate(&shifted).0
                };
                let slope = (loss_at(STEP) - loss_at(-STEP)) / (2.0 * STEP);
                assert!((slope - gradient[i]).abs() < TOLERANCE, "{count} classes, {i}: {slope} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn extreme_logits_have_a_finite_loss() {
        for z in [-1e300, -800.0, 0.0, 800.0, 1e300] {
            for class in [0, 1] {
                let (mut one, mut two) = ([z], [0.0, z, -1e6]);
                let (a, b) = (loss_and_gradient(&mut one, class), loss_and_gradient(&mut two, class));
                assert!(a.is_finite() && b.is_finite() && a >= 0.0, "{z} {class}: {a} {b}");
                assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{z} {class}: {a} {b}");
                assert!(one[0].abs() <= 1.0 && two.iter().all(|d| d.abs() <= 1.0));
            }
        }
    }
}
