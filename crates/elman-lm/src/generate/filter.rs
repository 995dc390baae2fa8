//! Logit filters. A removed token gets the logit −∞.
//!
//! [`GenerateOptions`](super::GenerateOptions) documents the order in which generation applies them.

/// Makes tokens in `seen` less likely: divides a positive logit by `penalty` and multiplies a negative one by it, once
/// per distinct token.
///
/// The penalized sampling of CTRL (Keskar et al. 2019, section 4.1), which divides by `T·θ`. A negative logit is
/// multiplied, because dividing would make it more likely.
///
/// # Panics
/// If a seen token is `logits.len()` or more.
pub fn repetition_penalty(logits: &mut [f32], seen: &[u32], penalty: f32) {
    let mut seen = seen.to_vec();
    seen.sort_unstable();
    seen.dedup();
    for token in seen {
        let logit = &mut logits[token as usize];
        *logit = if *logit > 0.0 { *logit / penalty } else { *logit * penalty };
    }
}

/// Divides all logits by the temperature. Values below 1 sharpen the distribution, values above 1 flatten it.
pub fn temperature(logits: &mut [f32], temperature: f32) {
    for logit in logits {
        *logit /= temperature;
    }
}

/// Keeps the `k` most likely tokens and ties with the last of them (Fan et al. 2018). 0 keeps all.
pub fn top_k(logits: &mut [f32], k: usize) {
    if k == 0 || k >= logits.len() {
        return;
    }
    let mut sorted = logits.to_vec();
    let (_, min, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    remove_below(logits, *min);
}

/// Keeps the fewest most likely tokens whose probabilities sum to at least `p`: nucleus sampling (Holtzman et al. 2020,
/// section 3.1). At least one token is kept; 1 keeps all.
pub fn top_p(logits: &mut [f32], p: f32) {
    if p >= 1.0 {
        return;
    }
    let probabilities = softmax(logits);
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    let mut sum = 0.0;
    let last = order.iter().position(|token| {
        sum += probabilities[*token];
        sum >= p
    });
    for token in order.into_iter().skip(last.map_or(usize::MAX, |last| last + 1)) {
        logits[token] = f32::NEG_INFINITY;
    }
}

/// Keeps the tokens that are at least `p` times as likely as the most likely one (Nguyen et al. 2024, section 3).
/// 0 keeps all.
pub fn min_p(logits: &mut [f32], p: f32) {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    remove_below(logits, max + p.ln());
}

fn remove_below(logits: &mut [f32], min: f32) {
    for logit in logits {
        if *logit < min {
            *logit = f32::NEG_INFINITY;
        }
    }
}

/// `exp(x_i) / Σ exp(x_j)`, computed on `x − max x`.
pub(super) fn softmax(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut weights: Vec<f32> = logits.iter().map(|logit| (logit - max).exp()).collect();
    let sum: f32 = weights.iter().sum();
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    const REMOVED: f32 = f32::NEG_INFINITY;

    /// Logits of the probabilities 0.5, 0.25, 0.125, 0.125, up to a constant.
    fn halves() -> [f32; 4] {
        [0.5f32, 0.25, 0.125, 0.125].map(|p| p.ln() + 3.0)
    }

    #[test]
    fn seen_tokens_are_penalized_once_whatever_their_sign() {
        let mut logits = [2.0, -2.0, 2.0, 0.0];
        repetition_penalty(&mut logits, &[1, 0, 0, 3], 2.0);
        assert_eq!(logits, [1.0, -4.0, 2.0, 0.0]);
        repetition_penalty(&mut logits, &[0, 1, 2, 3], 1.0);
        assert_eq!(logits, [1.0, -4.0, 2.0, 0.0]);
    }

    #[test]
    fn temperature_divides() {
        let mut logits = [1.0, -3.0];
        temperature(&mut logits, 0.5);
        assert_eq!(logits, [2.0, -6.0]);
    }

    #[test]
    fn top_k_keeps_the_most_likely_and_ties() {
        let mut logits = [1.0, 4.0, 3.0, 2.0];
        top_k(&mut logits, 2);
        assert_eq!(logits, [REMOVED, 4.0, 3.0, REMOVED]);
        let mut logits = [1.0, 2.0, 2.0];
        top_k(&mut logits, 1);
        assert_eq!(logits, [REMOVED, 2.0, 2.0]);
        for k in [0, 3, 9] {
            let mut logits = [1.0, 2.0, 2.0];
            top_k(&mut logits, k);
            assert_eq!(logits, [1.0, 2.0, 2.0]);
        }
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses_p() {
        let kept = |p: f32| {
            let mut logits = halves();
            top_p(&mut logits, p);
            logits.iter().filter(|logit| logit.is_finite()).count()
        };
        assert_eq!([kept(0.01), kept(0.49), kept(0.6), kept(0.8), kept(1.0)], [1, 1, 2, 3, 4]);
        let mut logits = halves();
        top_p(&mut logits, 0.6);
        assert_eq!(logits[..2], halves()[..2]);
    }

    #[test]
    fn min_p_keeps_tokens_near_the_most_likely() {
        let kept = |p: f32| {
            let mut logits = halves();
            min_p(&mut logits, p);
            logits.iter().filter(|logit| logit.is_finite()).count()
        };
        assert_eq!([kept(0.0), kept(0.2), kept(0.3), kept(0.6), kept(1.0)], [4, 4, 2, 1, 1]);
    }

    #[test]
    fn softmax_sums_to_one_for_large_logits() {
        assert_eq!(softmax(&[1e30, 1e30, REMOVED, -1e30]), [0.5, 0.5, 0.0, 0.0]);
        for (p, expected) in softmax(&halves()).into_iter().zip([0.5f32, 0.25, 0.125, 0.125]) {
            assert!((p - expected).abs() < 1e-6);
        }
    }
}
