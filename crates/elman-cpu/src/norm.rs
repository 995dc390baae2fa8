//! Moments and gradient means of layer normalization, one row at a time.

use pulp::Simd;

/// Mean and inverse standard deviation of a row.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    pub mean: f32,
    /// `1 / √(variance + epsilon)`
    pub inv_std: f32,
}

impl Moments {
    #[inline(always)]
    pub fn from_row<S: Simd>(s: S, row: &[f32], epsilon: f32) -> Self {
        let count = row.len() as f32;
        let mean = sum(s, [row], |_, [x]| x) / count;
        let center = s.splat_f32s(mean);
        let variance = sum(s, [row], |s, [x]| {
            let deviation = s.sub_f32s(x, center);
            s.mul_f32s(deviation, deviation)
        }) / count;
        Self { mean, inv_std: 1.0 / (variance + epsilon).sqrt() }
    }
}

/// The two means that the backward pass of layer normalization subtracts: of `gain · dy` and of
/// `gain · dy · normalized`.
#[inline(always)]
pub(crate) fn layer_norm_grad_means<S: Simd>(s: S, gain: &[f32], dy: &[f32], normalized: &[f32]) -> [f32; 2] {
    let count = dy.len() as f32;
    let first = sum(s, [gain, dy], |s, [g, d]| s.mul_f32s(g, d));
    let second = sum(s, [gain, dy, normalized], |s, [g, d, n]| s.mul_f32s(s.mul_f32s(g, d), n));
    [first / count, second / count]
}

/// The sum of `f` over the elements of `N` rows of the same length.
#[inline(always)]
fn sum<S: Simd, const N: usize>(s: S, rows: [&[f32]; N], f: impl Fn(S, [S::f32s; N]) -> S::f32s) -> f32 {
    /// Lanes of the widest register.
    const LANES: usize = 16;
    let split = rows.map(S::as_simd_f32s);
    let (whole, rest) = (split.map(|(whole, _)| whole), split.map(|(_, rest)| rest));
    // four accumulators, so that additions do not wait for each other
    let mut sums = [s.splat_f32s(0.0); 4];
    for n in 0..whole[0].len() {
        sums[n % 4] = s.add_f32s(sums[n % 4], f(s, whole.map(|row| row[n])));
    }
    let [a, b, c, d] = sums;
    let total = s.reduce_sum_f32s(s.add_f32s(s.add_f32s(a, b), s.add_f32s(c, d)));
    // of the last register only the lanes that belong to the rows
    let mut last = [0.0; LANES];
    s.partial_store_f32s(&mut last[..rest[0].len()], f(s, rest.map(|rest| s.partial_load_f32s(rest))));
    total + last.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::Isa;

    struct RowMoments<'a>(&'a [f32]);

    impl WithSimd for RowMoments<'_> {
        type Output = Moments;

        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> Moments {
            Moments::from_row(s, self.0, 0.0)
        }
    }

    #[test]
    fn moments_equal_plain_sums_for_any_length() {
        for count in [2, 7, 16, 67] {
            let row: Vec<f32> = (0..count).map(|n| (n * 7 % 11) as f32 - 40.0).collect();
            let mean = row.iter().sum::<f32>() / count as f32;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count as f32;
            for isa in Isa::available() {
                let found = isa.run(RowMoments(&row));
                assert!((found.mean - mean).abs() < 1e-4, "{isa} {count}: {found:?}");
                // the result must not depend on the mean: a variance from sums of squares would be off by far more
                assert!((found.inv_std * variance.sqrt() - 1.0).abs() < 1e-5, "{isa} {count}: {found:?}");
            }
        }
    }
}
