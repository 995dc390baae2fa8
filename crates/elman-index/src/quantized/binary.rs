use std::iter::zip;

use super::{Collection, check_finite, check_vector, nearest::nearest};
use crate::{
    entry::{check_d_embed, check_query},
    error::IndexError,
    memory::retain_rows,
    similarity::sum_products,
};

/// Dimensions in a word.
const WORD: usize = u64::BITS as usize;

/// Signs of vectors, 1 bit a number: 1 where vᵢ > 0.
///
/// [`nearest`](Collection::nearest) counts the bits in which query and vector differ, their Hamming distance h; the score
/// 1 − 2h/d is the cosine of the two vectors of signs ±1, and cos(πh/d) an estimate of that of the vectors themselves
/// (Charikar 2002). [`cosines`](Collection::cosines) compares the query as it is with the vectors of signs.
///
/// Signs say the more, the more evenly the numbers of each dimension lie around 0. Where a dimension has nearly always the
/// same sign, as in the hidden states of a language model, its bit says nothing.
#[derive(Clone, Debug)]
pub struct Binary {
    d_embed: usize,
    /// `[count, ⌈d_embed / 64⌉]`: the packed bytes of a vector, as many zeros as it needs, in words of little endian.
    words: Vec<u64>,
}

impl Binary {
    /// No vectors yet.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM).
    pub fn new(d_embed: usize) -> Result<Self, IndexError> {
        check_d_embed(d_embed)?;
        Ok(Self { d_embed, words: Vec::new() })
    }

    /// The vectors that [`quantize`](Self::quantize), `numpy.packbits` or sentence-transformers' `ubinary` made, one after
    /// another.
    ///
    /// # Shapes
    /// `bytes`: `[count, ⌈d_embed / 8⌉]`.
    ///
    /// # Errors
    /// If `d_embed` is 0 or above [`MAX_DIM`](crate::MAX_DIM), `bytes` are no whole number of vectors, or bits
    /// behind the last dimension are set.
    pub fn from_bytes(d_embed: usize, bytes: &[u8]) -> Result<Self, IndexError> {
        let mut collection = Self::new(d_embed)?;
        let width = d_embed.div_ceil(8);
        if !bytes.len().is_multiple_of(width) {
            return Err(IndexError::Ragged { expected: width, found: bytes.len() });
        }
        let padding = (1_u8 << (8 * width - d_embed)) - 1;
        for (row, bytes) in bytes.chunks_exact(width).enumerate() {
            if bytes[width - 1] & padding != 0 {
                return Err(IndexError::Padding { row, expected: d_embed });
            }
            collection.words.extend(words(bytes));
        }
        Ok(collection)
    }

    /// The signs of a vector, `[⌈d_embed / 8⌉]`: the first dimension is the highest bit of the first byte, as in
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

    /// Adds a vector at the end.
    ///
    /// # Errors
    /// If it has the wrong dimension or a value that is not finite.
    pub fn push(&mut self, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.d_embed)?;
        self.words.extend(words(&Self::quantize(vector)?));
        Ok(())
    }

    /// Replaces the vector at `position`.
    pub(super) fn set(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        check_vector(vector, self.d_embed)?;
        let start = position * self.width();
        self.words.splice(start..start + self.width(), words(&Self::quantize(vector)?));
        Ok(())
    }

    pub(super) fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        let width = self.width();
        retain_rows(&mut self.words, width, stays);
    }

    /// All signs, `[count, ⌈d_embed / 8⌉]`: what a file holds.
    pub fn to_bytes(&self) -> Vec<u8> {
        let width = self.d_embed.div_ceil(8);
        let row = |words: &[u64]| words.iter().flat_map(|word| word.to_le_bytes()).take(width).collect::<Vec<_>>();
        self.words.chunks_exact(self.width()).flat_map(row).collect()
    }

    /// A vector's words, for [`hamming`], `[⌈d_embed / 64⌉]`.
    ///
    /// # Panics
    /// If there is none at `position`.
    pub fn words(&self, position: usize) -> &[u64] {
        &self.words[position * self.width()..][..self.width()]
    }

    /// A vector as it is kept: 1 or −1 in each dimension, `[d_embed]`.
    ///
    /// # Panics
    /// If there is none at `position`.
    pub fn vector(&self, position: usize) -> Vec<f32> {
        let bytes = self.words(position).iter().flat_map(|word| word.to_le_bytes());
        let bits = bytes.flat_map(|byte| (0..8).map(move |n| byte << n & 0x80 != 0));
        bits.take(self.d_embed).map(|positive| if positive { 1.0 } else { -1.0 }).collect()
    }

    /// Words of a vector.
    fn width(&self) -> usize {
        self.d_embed.div_ceil(WORD)
    }
}

/// In how many bits two vectors of signs differ.
///
/// # Panics
/// If the vectors differ in length.
#[inline(always)]
pub fn hamming(a: &[u64], b: &[u64]) -> u32 {
    assert_eq!(a.len(), b.len(), "vectors `a` and `b` must have the same length");
    zip(a, b).map(|(x, y)| (x ^ y).count_ones()).sum()
}

/// Packed bytes in words, zeros where the last has too few.
fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    bytes.chunks(WORD / 8).map(|chunk| {
        let mut word = [0; WORD / 8];
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    })
}

impl Collection for Binary {
    fn dim(&self) -> usize {
        self.d_embed
    }

    fn len(&self) -> usize {
        self.words.len() / self.width()
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        check_query(query, self.d_embed)?;
        let query: Vec<u64> = words(&Self::quantize(query)?).collect();
        let (width, d_embed) = (self.width(), self.d_embed as f32);
        let found = nearest(
            self.len(),
            count,
            #[inline(always)]
            |start: usize, scores: &mut [f32]| {
                let rows = self.words[start * width..].chunks_exact(width);
                for (score, row) in scores.iter_mut().zip(rows) {
                    // whole numbers, exact in f32; the division keeps different ones different
                    *score = (d_embed - 2.0 * hamming(&query, row) as f32) / d_embed;
                }
            },
        );
        Ok(found)
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        check_query(query, self.d_embed)?;
        let length = (sum_products(query, query) * self.d_embed as f64).sqrt();
        let cosine = |&position: &usize| match length {
            0.0 => 0.0,
            _ => (sum_products(query, &self.vector(position)) / length).clamp(-1.0, 1.0) as f32,
        };
        Ok(positions.iter().map(cosine).collect())
    }
}
