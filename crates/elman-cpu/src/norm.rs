//! Layer normalisation of a row: its sums, in registers.

use pulp::Simd;

/// What a row had before it was normalised.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    pub mean: f32,
    /// One over the deviation.
    pub scale: f32,
}

impl Moments {
    /// Of a row of numbers.
    #[inline(always)]
    pub fn of<S: Simd>(s: S, row: &[f32], epsilon: f32) -> Self {
        let count = row.len() as f32;
        let mean = sum(s, [row], |_, [x]| x) / count;
        let center = s.splat_f32s(mean);
        let variance = sum(s, [row], |s, [x]| {
            let off = s.sub_f32s(x, center);
            s.mul_f32s(off, off)
        }) / count;
        Self { mean, scale: 1.0 / (variance + epsilon).sqrt() }
    }
}

/// The means of `gain · by` and of `gain · by · normal`, which the gradient of a normalised row loses.
#[inline(always)]
pub(crate) fn lost<S: Simd>(s: S, gain: &[f32], by: &[f32], normal: &[f32]) -> [f32; 2] {
    let count = by.len() as f32;
    let first = sum(s, [gain, by], |s, [g, b]| s.mul_f32s(g, b));
    let second = sum(s, [gain, by, normal], |s, [g, b, n]| s.mul_f32s(s.mul_f32s(g, b), n));
    [first / count, second / count]
}

/// The sum of `f` over the elements of some rows of the same length.
#[inline(always)]
fn sum<S: Simd, const N: usize>(s: S, rows: [&[f32]; N], f: impl Fn(S, [S::f32s; N]) -> S::f32s) -> f32 {
    /// Lanes of the widest register.
    const LANES: usize = 16;
    let split = rows.map(S::as_simd_f32s);
    let (whole, rest) = (split.map(|(whole, _)| whole), split.map(|(_, rest)| rest));
    // in four parts, which keeps the adders busy
    let mut sums = [s.splat_f32s(0.0); 4];
    for n in 0..whole[0].len() {
        sums[n % 4] = s.add_f32s(sums[n % 4], f(s, whole.map(|row| row[n])));
    }
    let [a, b, c, d] = sums;
    let total = s.reduce_sum_f32s(s.add_f32s(s.add_f32s(a, b), s.add_f32s(c, d)));
    // of the last register only what belongs to the rows
    let mut last = [0.0; LANES];
    s.partial_store_f32s(&mut last[..rest[0].len()], f(s, rest.map(|rest| s.partial_load_f32s(rest))));
    total + last.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use pulp::WithSimd;

    use super::*;
    use crate::Isa;

    struct Of<'a>(&'a [f32]);

    impl WithSimd for Of<'_> {
        type Output = Moments;

        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) -> Moments {
            Moments::of(s, self.0, 0.0)
        }
    }

    #[test]
    fn moments_of_any_length_are_those_of_plain_sums() {
        for count in [2, 7, 16, 67] {
            let row: Vec<f32> = (0..count).map(|n| (n * 7 % 11) as f32 - 40.0).collect();
            let mean = row.iter().sum::<f32>() / count as f32;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f32>() / count as f32;
            for isa in Isa::available() {
                let found = isa.run(Of(&row));
                assert!((found.mean - mean).abs() < 1e-4, "{isa} {count}: {found:?}");
                // the place of the mean must not matter: a variance of sums of squares would be off by far more
                assert!((found.scale * variance.sqrt() - 1.0).abs() < 1e-5, "{isa} {count}: {found:?}");
            }
        }
    }
}
