//! Element-wise exponential, logistic sigmoid and hyperbolic tangent of SIMD vectors.
//!
//! All compute `e^r` for `|r| ≤ ½ ln 2` (the polynomial of Cephes' `expf`, Moshier 1989) and scale it by a power of
//! two.

use pulp::Simd;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 as the sum of two parts. The first has few significant bits, so that `n · LN2_HIGH` is exact (Cody & Waite
/// 1980).
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding it to a value leaves the nearest integer in the low bits of the sum's significand.
const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³

/// Splits `x = n ln 2 + r`; returns `e^r − 1`, and `n` in the low bits of a word.
#[inline(always)]
fn reduce<S: Simd>(s: S, x: S::f32s) -> (S::f32s, S::u32s) {
    let shifted = s.mul_add_f32s(x, s.splat_f32s(LOG2_E), s.splat_f32s(ROUND));
    let n = s.sub_f32s(shifted, s.splat_f32s(ROUND));
    let r = s.mul_add_f32s(n, s.splat_f32s(-LN2_HIGH), x);
    let r = s.mul_add_f32s(n, s.splat_f32s(-LN2_LOW), r);
    let mut q = s.splat_f32s(1.987_569_2e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 5e-1] {
        q = s.mul_add_f32s(q, r, s.splat_f32s(c));
    }
    (s.mul_add_f32s(s.mul_f32s(r, r), q, r), s.transmute_u32s_f32s(shifted))
}

/// `2^(n + add)` from the low bits of a word.
#[inline(always)]
fn power_of_two<S: Simd>(s: S, n: S::u32s, add: u32) -> S::f32s {
    let exponent = s.add_u32s(n, s.splat_u32s(127 + add));
    s.transmute_f32s_u32s(s.wrapping_dyn_shl_u32s(exponent, s.splat_u32s(23)))
}

/// `e^x` for x up to 88, with an error of at most 2 ulp where the exact value is normal. The result is 0 below −87.3,
/// never subnormal. Propagates NaN.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let min = s.splat_f32s(-87.3);
    let (exp_m1, n) = reduce(s, s.max_f32s(min, x));
    let power = power_of_two(s, n, 0);
    let y = s.mul_add_f32s(power, exp_m1, power);
    propagate_nan(s, x, s.select_f32s(s.less_than_f32s(x, min), s.splat_f32s(0.0), y))
}

/// `1 / (1 + e^−x)`, computed as `e / (1 + e)` with `e = e^−|x|` if x is negative. The error is at most 2 ulp where the
/// exact value is normal, and at most one subnormal step where it is not. 0, ½ and 1 are exact. Propagates NaN.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let one = s.splat_f32s(1.0);
    // below −104, e^x is 0
    let bounded = s.max_f32s(s.splat_f32s(-104.0), s.neg_f32s(s.abs_f32s(x)));
    let (exp_m1, n) = reduce(s, bounded);
    // n can be −150, below the smallest exponent: multiply by the power in two steps
    let scaled = s.mul_f32s(s.add_f32s(exp_m1, one), power_of_two(s, n, 64));
    let e = s.mul_f32s(scaled, s.splat_f32s(1.0 / 18_446_744_073_709_551_616.0)); // 2⁻⁶⁴
    let numerator = s.select_f32s(s.less_than_f32s(x, s.splat_f32s(0.0)), e, one);
    let sum = s.add_f32s(one, e);
    let y = s.div_f32s(numerator, sum);
    // compensate the rounding error of the sum: y (1 − error / (1 + e)), with 1 − e/2 as an approximation of 1 / (1 +
    // e)
    let error = s.sub_f32s(e, s.sub_f32s(sum, one));
    let correction = s.mul_f32s(error, s.mul_add_f32s(e, s.splat_f32s(-0.5), one));
    propagate_nan(s, x, s.negate_mul_add_f32s(y, correction, y))
}

/// `tanh x = (e^2a − 1) / (e^2a + 1)` with a = |x| and the sign of x; `e^2a − 1` is computed without cancellation. The
/// error is at most 2 ulp. ±0 and ±1 are exact. Propagates NaN.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::f32s) -> S::f32s {
    let sign = s.and_f32s(s.splat_f32s(-0.0), x);
    // tanh 9.1 rounds to 1
    let a = s.min_f32s(s.splat_f32s(9.1), s.abs_f32s(x));
    let (exp_m1, n) = reduce(s, s.add_f32s(a, a));
    let power = power_of_two(s, n, 0);
    let em1 = s.mul_add_f32s(power, exp_m1, s.sub_f32s(power, s.splat_f32s(1.0)));
    let two = s.splat_f32s(2.0);
    let sum = s.add_f32s(em1, two);
    let y = s.div_f32s(em1, sum);
    // compensated as in the sigmoid; 1 / (e^2a + 1) is (1 − y) / 2
    let error = s.sub_f32s(s.min_f32s(em1, two), s.sub_f32s(sum, s.max_f32s(em1, two)));
    let correction = s.mul_f32s(error, s.mul_add_f32s(y, s.splat_f32s(-0.5), s.splat_f32s(0.5)));
    let y = s.negate_mul_add_f32s(y, correction, y);
    propagate_nan(s, x, s.or_f32s(sign, y))
}

#[inline(always)]
fn propagate_nan<S: Simd>(s: S, x: S::f32s, y: S::f32s) -> S::f32s {
    s.select_f32s(s.equal_f32s(x, x), y, x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        Sigmoid,
        Tanh,
    }

    struct Map<'a>(Function, &'a mut [f32]);

    impl pulp::WithSimd for Map<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, s: S) {
            for x in self.1.chunks_mut(S::F32_LANES) {
                let v = s.partial_load_f32s(x);
                let y = match self.0 {
                    Function::Exp => exp(s, v),
                    Function::Sigmoid => sigmoid(s, v),
                    Function::Tanh => tanh(s, v),
                };
                s.partial_store_f32s(x, y);
            }
        }
    }

    /// Every `STRIDE`-th f32 of both signs, and special values.
    fn inputs() -> Vec<f32> {
        const STRIDE: usize = 997;
        let finite = (0..0x7f80_0000_u32).step_by(STRIDE).map(f32::from_bits);
        let special = [0.0, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE, 88.722_84, 103.9, 104.1, 9.01, 9.2];
        finite.chain(special).flat_map(|x| [x, -x]).collect()
    }

    /// The largest error, in ulp of the exact value (of the smallest normal number if the value is smaller), and its
    /// argument.
    fn error(isa: Isa, function: Function) -> (f64, f32) {
        let (within, exact): (_, fn(f64) -> f64) = match function {
            Function::Exp => (-87.3..=88.0, f64::exp),
            // e^x / (1 + e^x) is precise for very negative x
            Function::Sigmoid => (f32::NEG_INFINITY..=f32::INFINITY, |x| {
                if x < 0.0 { x.exp() / (1.0 + x.exp()) } else { 1.0 / (1.0 + (-x).exp()) }
            }),
            Function::Tanh => (f32::NEG_INFINITY..=f32::INFINITY, f64::tanh),
        };
        let xs: Vec<f32> = inputs().into_iter().filter(|x| within.contains(x)).collect();
        let mut ys = xs.clone();
        isa.run(Map(function, &mut ys));
        let mut worst = (0.0, 0.0);
        for (x, y) in xs.into_iter().zip(ys) {
            let expected = exact(f64::from(x));
            let exponent = expected.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
            let off = (f64::from(y) - expected).abs() / (exponent - 23.0).exp2();
            if off > worst.0 || off.is_nan() {
                worst = (off, x);
            }
        }
        worst
    }

    /// The documented bound.
    const ULP: f64 = 2.0;

    #[test]
    fn errors_are_within_the_documented_bound() {
        for isa in Isa::available() {
            for function in [Function::Exp, Function::Sigmoid, Function::Tanh] {
                let (off, x) = error(isa, function);
                println!("{isa}: {function:?} {off:.3} ulp at {x:e}");
                assert!(off <= ULP, "{isa}: {function:?}({x:e}) is off by {off} ulp");
            }
        }
    }

    #[test]
    fn special_values_are_exact() {
        for isa in Isa::available() {
            let mut x = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 1e-40, -200.0, 200.0];
            let (mut y, mut z) = (x, x);
            isa.run(Map(Function::Tanh, &mut x));
            assert_eq!(x.map(f32::to_bits)[..4], [0.0, -0.0, 1.0, -1.0_f32].map(f32::to_bits), "{isa}");
            assert!(x[4].is_nan() && (x[5] - 1e-40).abs() < 1e-44 && x[6] == -1.0 && x[7] == 1.0, "{isa}: {x:?}");
            isa.run(Map(Function::Sigmoid, &mut y));
            assert_eq!(y[..4], [0.5, 0.5, 1.0, 0.0], "{isa}");
            assert!(y[4].is_nan() && y[5] == 0.5 && y[6] == 0.0 && y[7] == 1.0, "{isa}: {y:?}");
            z[2] = -88.0;
            isa.run(Map(Function::Exp, &mut z));
            assert_eq!(z[..4], [1.0, 1.0, 0.0, 0.0], "{isa}");
            assert!(z[4].is_nan() && z[5] == 1.0 && z[6] == 0.0, "{isa}: {z:?}");
        }
    }
}
