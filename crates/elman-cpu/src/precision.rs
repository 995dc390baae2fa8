//! In how many bits packed weights are kept, and how a product reads them.

use std::{fmt, str::FromStr};

use half::bf16;
use pulp::Simd;

/// In how many bits packed weights are kept. States, biases and sums are float32 in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightDtype {
    /// Float32, as they are.
    #[default]
    F32,
    /// bfloat16: half of the memory, eight bits of precision.
    Bf16,
    /// Eight bits, with a scale for each row of the weights: a quarter of the memory. A weight becomes the nearest of 255
    /// multiples of `max |w| / 127` of its row, and nothing else is rounded.
    ///
    /// Not for layer normalization, unless you have measured what it costs: normalization divides by the deviation of a row's
    /// products, which is small where they are nearly equal, and what the weights are off by grows with it at each step and
    /// layer. Of untrained networks with 1 to 97 units and one to three layers, 420 with normalization were off by up to 0.45 of
    /// the largest output (0.08 in the root mean square), 420 without by up to 0.008 (0.006).
    Int8,
}

impl WeightDtype {
    /// Every precision, the largest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// The name that [`FromStr`] reads and [`Display`](fmt::Display) writes.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }
}

impl fmt::Display for WeightDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is no precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWeightDtype {
    /// The name.
    pub found: String,
}

impl fmt::Display for UnknownWeightDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown precision '{}': expected f32, bf16 or int8", self.found)
    }
}

impl std::error::Error for UnknownWeightDtype {}

impl FromStr for WeightDtype {
    type Err = UnknownWeightDtype;

    fn from_str(name: &str) -> Result<Self, UnknownWeightDtype> {
        let found = Self::ALL.into_iter().find(|precision| precision.name() == name);
        found.ok_or_else(|| UnknownWeightDtype { found: name.into() })
    }
}

/// Weights in words of 32 bits: one word has those of one column at as many consecutive depths as fit.
///
/// They are widened with operations that every instruction set has, so none needs instructions for a narrow type: few rows
/// wait for memory, and many are float32's business.
pub(crate) trait Encoding {
    /// Weights in a word.
    const GROUP: usize;
    /// Whether there is a scale for each column.
    const SCALED: bool = false;

    /// A weight's bits, in the lowest of a word.
    fn encode(weight: f32, scale: f32) -> u32;

    /// The `part`-th weights of some words, before they are scaled.
    fn decode<S: Simd>(s: S, words: S::u32s, part: usize) -> S::f32s;
}

/// One weight in a word.
pub(crate) struct F32;

impl Encoding for F32 {
    const GROUP: usize = 1;

    #[inline(always)]
    fn encode(weight: f32, _: f32) -> u32 {
        weight.to_bits()
    }

    #[inline(always)]
    fn decode<S: Simd>(s: S, words: S::u32s, _: usize) -> S::f32s {
        s.transmute_f32s_u32s(words)
    }
}

/// Two weights in a word: each is the upper half of a float32.
pub(crate) struct Bf16;

impl Encoding for Bf16 {
    const GROUP: usize = 2;

    #[inline(always)]
    fn encode(weight: f32, _: f32) -> u32 {
        bf16::from_f32(weight).to_bits().into()
    }

    #[inline(always)]
    fn decode<S: Simd>(s: S, words: S::u32s, part: usize) -> S::f32s {
        s.transmute_f32s_u32s(match part {
            0 => s.wrapping_dyn_shl_u32s(words, s.splat_u32s(16)),
            _ => s.and_u32s(words, s.splat_u32s(0xffff_0000)),
        })
    }
}

/// Four weights in a word, each `127 w / max |w|` of its column and 128 more.
pub(crate) struct Int8;

impl Int8 {
    const ZERO: f32 = 128.0;
    /// The largest multiple of the scale.
    pub const MOST: f32 = 127.0;
    /// 2^23, whose last bit counts ones: a byte in its last eight is added to it.
    const ONES: f32 = 8_388_608.0;
}

impl Encoding for Int8 {
    const GROUP: usize = 4;
    const SCALED: bool = true;

    #[inline(always)]
    fn encode(weight: f32, scale: f32) -> u32 {
        let steps = if scale > 0.0 { (weight / scale).round_ties_even() } else { 0.0 };
        (steps.clamp(-Self::MOST, Self::MOST) + Self::ZERO) as u32
    }

    #[inline(always)]
    fn decode<S: Simd>(s: S, words: S::u32s, part: usize) -> S::f32s {
        let byte = s.and_u32s(s.wrapping_dyn_shr_u32s(words, s.splat_u32s(8 * part as u32)), s.splat_u32s(0xff));
        let number = s.transmute_f32s_u32s(s.or_u32s(byte, s.splat_u32s(Self::ONES.to_bits())));
        s.sub_f32s(number, s.splat_f32s(Self::ONES + Self::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_written() {
        for precision in WeightDtype::ALL {
            assert_eq!(precision.to_string().parse(), Ok(precision));
        }
        let message = "f64".parse::<WeightDtype>().unwrap_err().to_string();
        assert_eq!(message, "unknown precision 'f64': expected f32, bf16 or int8");
    }

    #[test]
    fn words_give_back_their_weights() {
        let s = pulp::Scalar;
        let word = Bf16::encode(1.5, 0.0) | Bf16::encode(-0.25, 0.0) << 16;
        assert_eq!([0, 1].map(|part| Bf16::decode(s, word, part)), [1.5, -0.25]);
        let steps = [-127.0, 0.0, 1.0, 127.0];
        let word = steps.iter().rev().fold(0, |word, step| word << 8 | Int8::encode(step * 0.5, 0.5));
        assert_eq!([0, 1, 2, 3].map(|part| Int8::decode(s, word, part)), steps);
        // a column of nothing but zeros has no scale
        assert_eq!(Int8::decode(s, Int8::encode(0.0, 0.0), 0), 0.0);
    }
}
