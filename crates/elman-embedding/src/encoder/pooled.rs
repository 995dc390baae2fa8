use crate::pooling::Pool;

/// What has been pooled of one text's outputs. Its size does not depend on how many there were.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    parts: Vec<(Pool, Vec<f32>)>,
    tokens: usize,
    /// Of attention: the largest score so far, and the sum of the weights relative to its own.
    top: f32,
    weights: f32,
}

impl Pooled {
    /// Of nothing yet, for outputs of this width.
    pub fn new(pools: &[Pool], width: usize) -> Self {
        let start = |pool| if pool == Pool::Max { f32::NEG_INFINITY } else { 0.0 };
        let parts = pools.iter().map(|pool| (*pool, vec![start(*pool); width])).collect();
        Self { parts, tokens: 0, top: f32::NEG_INFINITY, weights: 0.0 }
    }

    /// Adds the next outputs, in their order: `output(t)` for every `t` below `tokens`. `scores` belong to attention. `back` of the
    /// units were read backwards, so that their last output is the first.
    pub fn add<'a>(&mut self, tokens: usize, output: impl Fn(usize) -> &'a [f32], scores: &[f32], back: usize) {
        let Self { parts, top, weights, .. } = self;
        for (pool, into) in parts {
            match pool {
                Pool::Mean => (0..tokens).for_each(|t| each(into, output(t), |sum, x| sum + x)),
                Pool::Max => (0..tokens).for_each(|t| each(into, output(t), larger)),
                Pool::Last if tokens > 0 => {
                    let there = into.len() - back;
                    into[..there].copy_from_slice(&output(tokens - 1)[..there]);
                    into[there..].copy_from_slice(&output(0)[there..]);
                }
                Pool::Last => {}
                // the softmax as it grows (Milakov & Gimelshein 2018): what came before is scaled where a score is higher
                Pool::Attention => {
                    for (t, score) in scores.iter().enumerate().take(tokens) {
                        let higher = top.max(*score);
                        let (before, weight) = ((*top - higher).exp(), (score - higher).exp());
                        each(into, output(t), |sum, x| before * sum + weight * x);
                        (*top, *weights) = (higher, before * *weights + weight);
                    }
                }
            }
        }
        self.tokens += tokens;
    }

    /// The parts, one after the other; of at least one token.
    pub fn write(&self, into: &mut Vec<f32>) {
        for (pool, values) in &self.parts {
            let divided = match pool {
                Pool::Mean => 1.0 / self.tokens as f32,
                Pool::Attention => 1.0 / self.weights,
                Pool::Last | Pool::Max => 1.0,
            };
            into.extend(values.iter().map(|x| x * divided));
        }
    }

    /// How many outputs there were.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

/// The larger of two numbers; NaN if one is, which `f32::max` passes over.
fn larger(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

fn each(into: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32) {
    into.iter_mut().zip(x).for_each(|(into, x)| *into = f(*into, *x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_is_a_softmax_however_it_is_cut() {
        let outputs = [[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0], [2.0, 2.0]];
        let scores = [0.3f32, 60.0, -4.0, 59.0];
        let weights: Vec<f32> = scores.iter().map(|s| (s - 60.0).exp()).collect();
        let sum: f32 = weights.iter().sum();
        let expected = [0, 1].map(|unit| outputs.iter().zip(&weights).map(|(x, w)| x[unit] * w / sum).sum::<f32>());
        for cut in 0..=4 {
            let mut pooled = Pooled::new(&[Pool::Attention], 2);
            for range in [0..cut, cut..4] {
                let start = range.start;
                pooled.add(range.len(), |t| &outputs[start + t], &scores[range], 0);
            }
            let mut found = Vec::new();
            pooled.write(&mut found);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{cut}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn the_last_output_of_what_was_read_backwards_is_the_first() {
        let mut pooled = Pooled::new(&[Pool::Last, Pool::Mean, Pool::Max], 2);
        let outputs = [[1.0, 10.0], [2.0, 20.0], [3.0, 0.0]];
        pooled.add(3, |t| &outputs[t], &[], 1);
        let mut found = Vec::new();
        pooled.write(&mut found);
        assert_eq!(found, [3.0, 10.0, 2.0, 10.0, 3.0, 20.0]);
    }
}
