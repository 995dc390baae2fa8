use crate::pooling::Pool;

/// The pooling state of one text: its outputs pooled so far. Its size does not depend on the length of the text.
#[derive(Clone, Debug)]
pub(crate) struct Pooled {
    parts: Vec<(Pool, Vec<f32>)>,
    tokens: usize,
    /// Attention: the maximum score so far.
    max_score: f32,
    /// Attention: the sum of exp(score − max_score).
    weight_sum: f32,
}

impl Pooled {
    /// The state before the first output, for outputs of size `width`.
    pub fn new(pools: &[Pool], width: usize) -> Self {
        let start = |pool| if pool == Pool::Max { f32::NEG_INFINITY } else { 0.0 };
        let parts = pools.iter().map(|pool| (*pool, vec![start(*pool); width])).collect();
        Self { parts, tokens: 0, max_score: f32::NEG_INFINITY, weight_sum: 0.0 }
    }

    /// Adds the next outputs in order: `output(t)` for every `t` below `tokens`. `scores` are attention scores. The
    /// last `reverse_units` units belong to the reverse direction, whose last output is at `t = 0`.
    pub fn add<'a>(
        &mut self,
        tokens: usize,
        output: impl Fn(usize) -> &'a [f32],
        scores: &[f32],
        reverse_units: usize,
    ) {
        let Self { parts, max_score, weight_sum, .. } = self;
        for (pool, into) in parts {
            match pool {
                Pool::Mean => (0..tokens).for_each(|t| update(into, output(t), |sum, x| sum + x)),
                Pool::Max => (0..tokens).for_each(|t| update(into, output(t), max)),
                Pool::Last if tokens > 0 => {
                    let split = into.len() - reverse_units;
                    into[..split].copy_from_slice(&output(tokens - 1)[..split]);
                    into[split..].copy_from_slice(&output(0)[split..]);
                }
                Pool::Last => {}
                // online softmax (Milakov & Gimelshein 2018): earlier sums are rescaled when the maximum score rises
                Pool::Attention => {
                    for (t, score) in scores.iter().enumerate().take(tokens) {
                        let new_max = max_score.max(*score);
                        let (rescale, weight) = ((*max_score - new_max).exp(), (score - new_max).exp());
                        update(into, output(t), |sum, x| rescale * sum + weight * x);
                        (*max_score, *weight_sum) = (new_max, rescale * *weight_sum + weight);
                    }
                }
            }
        }
        self.tokens += tokens;
    }

    /// Appends the pooled vectors to `into`. Requires at least one token.
    pub fn write(&self, into: &mut Vec<f32>) {
        for (pool, values) in &self.parts {
            let scale = match pool {
                Pool::Mean => 1.0 / self.tokens as f32,
                Pool::Attention => 1.0 / self.weight_sum,
                Pool::Last | Pool::Max => 1.0,
            };
            into.extend(values.iter().map(|x| x * scale));
        }
    }

    /// Number of outputs so far.
    pub fn tokens(&self) -> usize {
        self.tokens
    }
}

/// The maximum of two values; NaN if either is NaN, unlike `f32::max`.
fn max(a: f32, b: f32) -> f32 {
    if b > a || b.is_nan() { b } else { a }
}

fn update(into: &mut [f32], x: &[f32], f: impl Fn(f32, f32) -> f32) {
    into.iter_mut().zip(x).for_each(|(into, x)| *into = f(*into, *x));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_equals_a_softmax_for_any_split() {
        let outputs = [[1.0, -2.0], [3.0, 0.5], [-1.0, 4.0], [2.0, 2.0]];
        let scores = [0.3f32, 60.0, -4.0, 59.0];
        let weights: Vec<f32> = scores.iter().map(|s| (s - 60.0).exp()).collect();
        let sum: f32 = weights.iter().sum();
        let expected = [0, 1].map(|unit| outputs.iter().zip(&weights).map(|(x, w)| x[unit] * w / sum).sum::<f32>());
        for split in 0..=4 {
            let mut pooled = Pooled::new(&[Pool::Attention], 2);
            for range in [0..split, split..4] {
                let start = range.start;
                pooled.add(range.len(), |t| &outputs[start + t], &scores[range], 0);
            }
            let mut found = Vec::new();
            pooled.write(&mut found);
            assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-5), "{split}: {found:?} {expected:?}");
        }
    }

    #[test]
    fn last_pooling_uses_the_first_token_of_reverse_units() {
        let mut pooled = Pooled::new(&[Pool::Last, Pool::Mean, Pool::Max], 2);
        let outputs = [[1.0, 10.0], [2.0, 20.0], [3.0, 0.0]];
        pooled.add(3, |t| &outputs[t], &[], 1);
        let mut found = Vec::new();
        pooled.write(&mut found);
        assert_eq!(found, [3.0, 10.0, 2.0, 10.0, 3.0, 20.0]);
    }
}
