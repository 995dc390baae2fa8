use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, linalg::general_mat_mul};
use rayon::prelude::*;

use crate::examples::Examples;

/// Rows that are multiplied at a time: enough for the product, few enough for the cache.
const BLOCK: usize = 256;

/// Parts whose gradients are summed in order, so that the sum does not depend on the number of threads.
const PARTS: usize = 16;

/// The logits that a classifier of so many classes computes: two classes need one, the logit of the first being 0.
pub(crate) fn outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}

/// The regression's loss: the mean over examples of −log p(label), plus ‖W‖² / (2 · strength · examples).
///
/// scikit-learn's, whose strength is called C: the biases are not penalised, and two classes have one row of weights.
/// Parameters are W, `[outputs, width]`, followed by the biases, `[outputs]`.
pub(crate) struct Objective<'a> {
    examples: &'a Examples,
    /// The class of every example, those that are not among `rows` included.
    classes: &'a [usize],
    rows: &'a [usize],
    outputs: usize,
    penalty: f64,
}

impl<'a> Objective<'a> {
    /// The loss over some rows of the examples, whose classes are below `count`.
    pub(crate) fn new(
        examples: &'a Examples,
        (classes, count): (&'a [usize], usize),
        rows: &'a [usize],
        strength: f64,
    ) -> Self {
        let penalty = 1.0 / (strength * rows.len() as f64);
        Self { examples, classes, rows, outputs: outputs(count), penalty }
    }

    /// Number of parameters.
    pub(crate) fn parameters(&self) -> usize {
        self.outputs * (self.examples.width() + 1)
    }

    /// The loss and its gradient.
    pub(crate) fn evaluate(&self, parameters: &[f64]) -> (f64, Vec<f64>) {
        let (flat, biases) = parameters.split_at(self.outputs * self.examples.width());
        let weights = ArrayView2::from_shape([self.outputs, self.examples.width()], flat).expect("a row per output");
        let biases = ArrayView1::from(biases);
        let part = self.rows.len().div_ceil(PARTS).max(1);
        let parts: Vec<_> = self.rows.par_chunks(part).map(|rows| self.part(rows, weights, biases)).collect();

        let scale = 1.0 / self.rows.len() as f64;
        let mut loss = self.penalty / 2.0 * flat.iter().map(|w| w * w).sum::<f64>();
        let mut gradient: Vec<f64> = flat.iter().map(|w| self.penalty * w).collect();
        gradient.resize(parameters.len(), 0.0);
        for (part_loss, d_weights, d_biases) in &parts {
            loss += scale * part_loss;
            for (sum, value) in gradient.iter_mut().zip(d_weights.iter().chain(d_biases)) {
                *sum += scale * value;
            }
        }
        (loss, gradient)
    }

    fn part(
        &self,
        rows: &[usize],
        weights: ArrayView2<f64>,
        biases: ArrayView1<f64>,
    ) -> (f64, Array2<f64>, Array1<f64>) {
        let (mut loss, mut d_weights) = (0.0, Array2::zeros(weights.dim()));
        let mut d_biases = Array1::zeros(self.outputs);
        for block in rows.chunks(BLOCK) {
            let values = block.iter().flat_map(|row| self.examples.vector(*row)).map(|x| f64::from(*x)).collect();
            let x = Array2::from_shape_vec([block.len(), self.examples.width()], values).expect("rows of one width");
            let mut logits = x.dot(&weights.t()) + biases;
            for (mut logits, row) in logits.axis_iter_mut(Axis(0)).zip(block) {
                let logits = logits.as_slice_mut().expect("rows are contiguous");
                loss += to_gradient(logits, self.classes[*row]);
            }
            general_mat_mul(1.0, &logits.t(), &x, 1.0, &mut d_weights);
            d_biases += &logits.sum_axis(Axis(0));
        }
        (loss, d_weights, d_biases)
    }
}

/// Returns −log p(class), and replaces the logits by its gradient.
fn to_gradient(logits: &mut [f64], class: usize) -> f64 {
    if let [logit] = logits {
        let (z, y) = (*logit, class as f64);
        // log(1 + eᶻ) − y·z, whose exponent is never positive
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

/// Replaces logits by probabilities; returns log Σ eᶻ.
pub(crate) fn softmax(logits: &mut [f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    logits.iter_mut().for_each(|z| *z = (*z - largest).exp());
    let sum: f64 = logits.iter().sum();
    logits.iter_mut().for_each(|e| *e /= sum);
    largest + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences of f64, whose error is of the order of the step's square.
    const STEP: f64 = 1e-5;
    const TOLERANCE: f64 = 1e-8;

    #[test]
    fn the_gradient_is_that_of_the_loss() {
        for count in [2, 3, 5] {
            let mut examples = Examples::new(4);
            for n in 0..600_u32 {
                let vector = [0, 1, 2, 3].map(|j| (n * 7 + j * 13 + n * j) as f32 % 11.0 / 5.0 - 1.0);
                examples.push(&vector, &(n as usize % count).to_string()).unwrap();
            }
            let classes = examples.classes();
            // over half of the rows, in two blocks in each of a few parts
            let rows: Vec<usize> = (0..examples.len()).step_by(2).collect();
            let objective = Objective::new(&examples, (&classes, count), &rows, 0.5);
            let at: Vec<f64> = (0..objective.parameters()).map(|i| (i as f64 * 0.7).sin()).collect();
            let gradient = objective.evaluate(&at).1;
            for i in 0..at.len() {
                let moved = |by: f64| {
                    let mut there = at.clone();
                    there[i] += by;
                    objective.evaluate(&there).0
                };
                let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                assert!((slope - gradient[i]).abs() < TOLERANCE, "{count} classes, {i}: {slope} {}", gradient[i]);
            }
        }
    }

    #[test]
    fn extreme_logits_have_a_finite_loss() {
        for z in [-1e300, -800.0, 0.0, 800.0, 1e300] {
            for class in [0, 1] {
                let (mut one, mut two) = ([z], [0.0, z, -1e6]);
                let (a, b) = (to_gradient(&mut one, class), to_gradient(&mut two, class));
                assert!(a.is_finite() && b.is_finite() && a >= 0.0, "{z} {class}: {a} {b}");
                assert!((a - b).abs() <= 1e-9 * a.abs().max(1.0), "{z} {class}: {a} {b}");
                assert!(one[0].abs() <= 1.0 && two.iter().all(|d| d.abs() <= 1.0));
            }
        }
    }
}
