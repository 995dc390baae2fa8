//! Storage dtypes of packed weights, and their encoders and decoders.

use std::{fmt, str::FromStr};

use half::bf16;
use pulp::Simd;

/// The dtype of packed weights. States, biases and sums are always f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WeightDtype {
    /// f32: unchanged.
    #[default]
    F32,
    /// bf16: half the memory, eight bits of precision.
    Bf16,
    /// Eight bits with a scale for each row of the weights: a quarter of the memory. A weight is rounded to the nearest
    /// of 255 multiples of `max |w| / 127` of its row; nothing else is rounded.
    ///
    /// Measure the error before you combine it with layer normalization. Normalization divides by the standard
    /// deviation of a row's products, which is small if they are nearly equal; it amplifies the rounding error of the
    /// weights at each step and layer. The largest error of 420 untrained networks with normalization (1 to 97 units,
    /// one to three layers) was 0.45 of the largest output (0.08 root mean square); of 420 without normalization it was
    /// 0.008 (0.006).
    Int8,
}

impl WeightDtype {
    /// All dtypes, the widest first.
    pub const ALL: [Self; 3] = [Self::F32, Self::Bf16, Self::Int8];

    /// The name that [`FromStr`] parses and [`Display`](fmt::Display) writes.
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

/// A name that is not a weight dtype.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownWeightDtype {
    /// The name.
    pub found: String,
}

impl fmt::Display for UnknownWeightDtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown weight dtype '{}': expected f32, bf16 or int8", self.found)
    }
}

impl std::error::Error for UnknownWeightDtype {}

impl FromStr for WeightDtype {
    type Err = UnknownWeightDtype;

    fn from_str(name: &str) -> Result<Self, UnknownWeightDtype> {
        let found = Self::ALL.into_iter().find(|dtype| dtype.name() == name);
        found.ok_or_else(|| UnknownWeightDtype { found: name.into() })
    }
}

/// Encodes weights in words of 32 bits. A word has the weights of one column at [`GROUP`](Self::GROUP) consecutive
/// depths.
///
/// Decoding uses only operations that every instruction set has, none for narrow types. That is enough: products of few
/// rows are limited by memory bandwidth, and for many rows f32 is the right dtype.
pub(crate) trait Encoding {
    /// Weights per word.
    const GROUP: usize;
    /// Whether each column has a scale.
    const SCALED: bool = false;

    /// The bits of a weight, in the low bits of a word.
    fn encode(weight: f32, scale: f32) -> u32;

    /// The `part`-th weight of each word, before scaling.
    fn decode<S: Simd>(s: S, words: S::u32s, part: usize) -> S::f32s;
}

/// One weight per word.
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

/// Two weights per word; each is the upper half of an f32.
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

/// Four weights per word; each byte is `127 w / max |w| + 128`, with the maximum over its column.
pub(crate) struct Int8;

impl Int8 {
    const ZERO: f32 = 128.0;
    /// The largest multiple of the scale.
    pub const MAX: f32 = 127.0;
    /// 2²³, whose lowest significand bit has the value 1: or-ing a byte into its low bits adds the byte.
    const ONES: f32 = 8_388_608.0;
}

impl Encoding for Int8 {
    const GROUP: usize = 4;
    const SCALED: bool = true;

    #[inline(always)]
    fn encode(weight: f32, scale: f32) -> u32 {
        let multiple = if scale > 0.0 { (weight / scale).round_ties_even() } else { 0.0 };
        (multiple.clamp(-Self::MAX, Self::MAX) + Self::ZERO) as u32
    }

    #[inline(always)]
    fn decode<S: Simd>(s: S, words: S::u32s, part: usize) -> S::f32s {
        let byte = s.and_u32s(s.wrapping_dyn_shr_u32s(words, s.splat_u32s(8 * part as u32)), s.splat_u32s(0xff));
        let shifted = s.transmute_f32s_u32s(s.or_u32s(byte, s.splat_u32s(Self::ONES.to_bits())));
        s.sub_f32s(shifted, s.splat_f32s(Self::ONES + Self::ZERO))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for dtype in WeightDtype::ALL {
            assert_eq!(dtype.to_string().parse(), Ok(dtype));
        }
        let message = "f64".parse::<WeightDtype>().unwrap_err().to_string();
        assert_eq!(message, "unknown weight dtype 'f64': expected f32, bf16 or int8");
    }

    #[test]
    fn encoded_weights_round_trip() {
        let s = pulp::Scalar;
        let word = Bf16::encode(1.5, 0.0) | Bf16::encode(-0.25, 0.0) << 16;
        assert_eq!([0, 1].map(|part| Bf16::decode(s, word, part)), [1.5, -0.25]);
        let multiples = [-127.0, 0.0, 1.0, 127.0];
        let word = multiples.iter().rev().fold(0, |word, multiple| word << 8 | Int8::encode(multiple * 0.5, 0.5));
        assert_eq!([0, 1, 2, 3].map(|part| Int8::decode(s, word, part)), multiples);
        // the scale of an all-zero column is 0
        assert_eq!(Int8::decode(s, Int8::encode(0.0, 0.0), 0), 0.0);
    }
}
