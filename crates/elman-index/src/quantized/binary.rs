use std::iter::zip;

use super::{Collection, check_finite, check_vector, nearest::nearest};
use crate::{
    entry::{check_dim, check_query},
    error::IndexError,
    memory::retain_rows,
    similarity::sum_products,
};

/// Dimensions per word.
const WORD_BITS: usize = u64::BITS as usize;

/// Signs of vectors, 1 bit per value: 1 if vᵢ > 0.
///
/// [`nearest`](Collection::nearest) computes the Hamming distance h of query and vector. The score 1 − 2h/dim is the
/// cosine of their sign vectors ±1; cos(πh/dim) estimates the cosine of the vectors themselves (Charikar 2002).
/// [`cosines`](Collection::cosines) compares the `f32` query with sign vectors.
///
/// Binary quantization works best if each dimension is centered on 0. A dimension that nearly always has the same sign,
/// as in the hidden states of a language model, carries no information.
#[derive(Clone, Debug)]
pub struct Binary {
    dim: usize,
    /// `[count, ⌈dim / 64⌉]`: the packed bytes of each vector as little-endian words, padded with zeros.
    words: Vec<u64>,
}

impl Binary {
    /// An empty collection.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM).
    pub fn new(dim: usize) -> Result<Self, IndexError> {
        check_dim(dim)?;
        Ok(Self { dim, words: Vec::new() })
    }

    /// A collection of vectors from [`quantize`](Self::quantize), `numpy.packbits` or sentence-transformers' `ubinary`.
    ///
    /// # Shapes
    /// `bytes`: `[count, ⌈dim / 8⌉]`.
    ///
    /// # Errors
    /// If `dim` is 0 or above [`MAX_DIM`](crate::MAX_DIM), the length of `bytes` is not a multiple of ⌈dim / 8⌉, or
    /// bits beyond the last dimension are set.
    pub fn from_bytes(dim: usize, bytes: &[u8]) -> Result<Self, IndexError> {
        let mut collection = Self::new(dim)?;
        let width = dim.div_ceil(8);
        if !bytes.len().is_multiple_of(width) {
            return Err(IndexError::Ragged { expected: width, found: bytes.len() });
        }
        let padding = (1_u8 << (8 * width - dim)) - 1;
        for (row, bytes) in bytes.chunks_exact(width).enumerate() {
            if bytes[width - 1] & padding != 0 {
                return Err(IndexError::Padding { row, expected: dim });
            }
            collection.words.extend(words(bytes));
        }
        Ok(collection)
    }

    /// Quantizes a vector, `[⌈dim / 8⌉]`. The first dimension is the most significant bit of the first byte, as in
    /// `numpy.packbits(vector > 0)`.
    ///
    /// ```
    /// use elman_index::quantized::Binary;
    ///
    /// assert_eq!(Binary::quantize(&[0.1, -0.2, 0.0, 0.4, 0.5, -0.6, 0.7, 0.8, 0.9])?, [0b1001_1011, 0b1000_0000]);
    /// # Ok::<(), elman_index::IndexError>(())
    /// ```
    ///
    /// # Errors
    /// If a value is not finite.
    pub fn quantize(vector: &[f32]) -> Result<Vec<u8>, IndexError> {
        check_finite(vector)?;
        let bit = |(n, value): (usize, &f32)| u8::from(*value > 0.0) << (7 - n);
        Ok(vector.chunks(8).map(|values| values.iter().enumerate().map(bit).sum()).collect())
    }

    /// Appends a vector.
    ///
    /// # Errors
    /// If it has the wrong dimension or a value that is not finite.
    pub fn push(&mut self, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.dim)?;
        self.words.extend(words(&Self::quantize(vector)?));
        Ok(())
    }

    /// Replaces the vector at `position`.
    pub(super) fn set(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.dim)?;
        let start = position * self.width();
        self.words.splice(start..start + self.width(), words(&Self::quantize(vector)?));
        Ok(())
    }

    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let width = self.width();
        retain_rows(&mut self.words, width, keep);
    }

    /// All packed bits, `[count, ⌈dim / 8⌉]`, as in a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = self.dim.div_ceil(8);
        let row = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).take(width).collect::<Vec<_>>();
        self.words.chunks_exact(self.width()).flat_map(row).collect()
    }

    /// The words of a vector, `[⌈dim / 64⌉]`, for [`hamming`].
    ///
    /// # Panics
    /// If `position` is out of range.
    pub fn words(&self, position: usize) -> &[u64] {
        &self.words[position * self.width()..][..self.width()]
    }

    /// The signs of a vector, 1 or −1, `[dim]`.
    ///
    /// # Panics
    /// If `position` is out of range.
    pub fn vector(&self, position: usize) -> Vec<f32> {
        let bytes = self.words(position).iter().flat_map(|word| word.to_le_bytes());
        let bits = bytes.flat_map(|byte| (0..8).map(move |n| byte << n & 0x80 != 0));
        bits.take(self.dim).map(|positive| if positive { 1.0 } else { -1.0 }).collect()
    }

    /// Words per vector.
    fn width(&self) -> usize {
        self.dim.div_ceil(WORD_BITS)
    }
}

/// The Hamming distance of two vectors: the number of different bits.
///
/// # Panics
/// If the vectors differ in length.
#[inline(always)]
pub fn hamming(a: &[u64], b: &[u64]) -> u32 {
    assert_eq!(a.len(), b.len(), "vectors `a` and `b` must have the same length");
    zip(a, b).map(|(x, y)| (x ^ y).count_ones()).sum()
}

/// Packs bytes into words, padding the last with zeros.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(WORD_BITS / 8).map(|chunk| {
        let mut word = [0; WORD_BITS / 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

impl Collection for Binary {
    fn dim(&self) -> usize {
        self.dim
    }

    fn len(&self) -> usize {
        self.words.len() / self.width()
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.dim)?;
        let query: Vec<u64> = words(&Self::quantize(query)?).collect();
        let (width, dim) = (self.width(), self.dim as f32);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.words[start * width..].chunks_exact(width);
                for (score, row) in scores.iter_mut().zip(rows) {
                    // integers, exact in f32; the division keeps distinct ones distinct
                    *score = (dim - 2.0 * hamming(&query, row) as f32) / dim;
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.dim)?;
        let length = (sum_products(query, query) * self.dim as f64).sqrt();
        let cosine = |&position: &usize| match length {
            0.0 => 0.0,
            _ => (sum_products(query, &self.vector(position)) / length).clamp(-1.0, 1.0) as f32,
        };
        Ok(positions.iter().map(cosine).collect())
    }
}
