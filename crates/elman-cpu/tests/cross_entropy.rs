//! The fused output layer against plain sums in f64: loss and gradients, both weight layouts, sizes that do not fill a
//! register, more than one chunk of logits, every instruction set.

use elman_cpu::{Isa, LinearCrossEntropy, LinearCrossEntropyInto, linear_cross_entropy};

/// Rounding of sums of f32 products and of exponentials, relative to the largest magnitude.
const ROUNDING: f64 = 3e-6;

struct Case {
    rows: usize,
    width: usize,
    classes: usize,
    tied: bool,
    /// Factor of the hidden values, and so of the size of the logits.
    scale: f32,
}

struct Expected {
    loss: f64,
    hidden: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Case {
    fn values(&self, count: usize, salt: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 31 + salt * 17) % 101) as f32 / 50.0 - 1.0).collect()
    }

    fn at(&self, k: usize, class: usize) -> usize {
        if self.tied { class * self.width + k } else { k * self.classes + class }
    }

    /// Loss and gradients as defined, row by row.
    fn plain(&self, hidden: &[f32], weight: &[f32], bias: &[f32], targets: &[usize]) -> Expected {
        let Self { rows, width, classes, .. } = *self;
        let mut out = Expected {
            loss: 0.0,
            hidden: vec![0.0; rows * width],
            weight: vec![0.0; width * classes],
            bias: vec![0.0; classes],
        };
        for row in 0..rows {
            let logits: Vec<f64> = (0..classes)
                .map(|class| {
                    let products =
                        (0..width).map(|k| f64::from(hidden[row * width + k]) * f64::from(weight[self.at(k, class)]));
                    f64::from(bias[class]) + products.sum::<f64>()
                })
                .collect();
            let max = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let sum: f64 = logits.iter().map(|x| (x - max).exp()).sum();
            out.loss += (sum.ln() + max - logits[targets[row]]) / rows as f64;
            for (class, logit) in logits.iter().enumerate() {
                let one_hot = f64::from(u8::from(class == targets[row]));
                let d_logit = ((logit - max).exp() / sum - one_hot) / rows as f64;
                out.bias[class] += d_logit;
                for k in 0..width {
                    out.hidden[row * width + k] += d_logit * f64::from(weight[self.at(k, class)]);
                    out.weight[self.at(k, class)] += d_logit * f64::from(hidden[row * width + k]);
                }
            }
        }
        out
    }

    fn check(&self) {
        let Self { rows, width, classes, tied, scale } = *self;
        let hidden: Vec<f32> = self.values(rows * width, 1).iter().map(|x| x * scale).collect();
        let (weight, bias) = (self.values(width * classes, 2), self.values(classes, 3));
        let targets: Vec<usize> = (0..rows).map(|row| row * 7 % classes).collect();
        let expected = self.plain(&hidden, &weight, &bias, &targets);
        let from = LinearCrossEntropy { hidden: &hidden, weight: &weight, bias: &bias, targets: &targets, tied };
        for isa in Isa::available() {
            let what = format!("{isa} N{rows} H{width} V{classes} tied {tied} scale {scale}");
            // the previous contents must not matter
            let [mut d_hidden, mut d_weight, mut d_bias] =
                [hidden.len(), weight.len(), bias.len()].map(|len| vec![f32::NAN; len]);
            let into = LinearCrossEntropyInto { hidden: &mut d_hidden, weight: &mut d_weight, bias: &mut d_bias };
            let loss = linear_cross_entropy(isa, from, Some(into));
            assert_eq!(loss.to_bits(), linear_cross_entropy(isa, from, None).to_bits(), "{what}: without gradients");
            let error = (f64::from(loss) - expected.loss).abs();
            assert!(error <= ROUNDING * expected.loss.abs().max(1.0), "{what}: loss {loss}, not {}", expected.loss);
            for (name, found, expected) in [
                ("hidden", &d_hidden, &expected.hidden),
                ("weight", &d_weight, &expected.weight),
                ("bias", &d_bias, &expected.bias),
            ] {
                let largest = expected.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
                for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let error = (f64::from(*found) - expected).abs();
                    assert!(error <= ROUNDING * largest, "{what}: gradient of {name}[{n}] is {found}, not {expected}");
                }
            }
        }
    }
}

#[test]
fn loss_and_gradients_equal_plain_sums() {
    for tied in [false, true] {
        for (rows, width, classes) in [(1, 1, 1), (1, 3, 2), (3, 7, 7), (5, 2, 33), (40, 20, 100)] {
            Case { rows, width, classes, tied, scale: 1.0 }.check();
        }
    }
}

#[test]
fn several_chunks_of_logits_equal_plain_sums() {
    for tied in [false, true] {
        // a chunk has 16 rows
        Case { rows: 35, width: 1, classes: (1 << 18) + 3, tied, scale: 1.0 }.check();
    }
}

#[test]
fn large_logits_do_not_overflow() {
    Case { rows: 4, width: 8, classes: 12, tied: false, scale: 300.0 }.check();
}

#[test]
fn nan_and_infinity_propagate_to_the_loss() {
    for isa in Isa::available() {
        for bad in [f32::NAN, f32::INFINITY] {
            let (hidden, weight, bias) = ([bad, 1.0], [1.0; 20], [0.0; 10]);
            let from = LinearCrossEntropy { hidden: &hidden, weight: &weight, bias: &bias, targets: &[3], tied: true };
            assert!(linear_cross_entropy(isa, from, None).is_nan(), "{isa} {bad}");
        }
    }
}
