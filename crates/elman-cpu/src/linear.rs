//! The input projection: a linear layer over all rows of a batch of sequences.

use std::borrow::Cow;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    Isa, LayerNorm,
    matmul::{Matrix, matmul},
    norm::{Moments, layer_norm_grad_means},
    product::{load_some, store_some},
    sums::sum_of_rows,
};

/// `y = x Wᵀ + b`, or with layer normalization `y = gain ⊙ norm(x Wᵀ) + b`.
///
/// Legend: `N` rows, `I` inputs, `R` outputs.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// `[N, I]`
    pub x: &'a [f32],
    /// `[R, I]`
    pub weights: &'a [f32],
    /// `[R]`
    pub bias: Option<&'a [f32]>,
    /// Layer normalization of the product, with a gain `[R]`.
    pub norm: Option<LayerNorm<'a>>,
    /// The active rows in ascending order, or `None` for all. Inactive rows are not read; their outputs are zero.
    pub rows: Option<&'a [usize]>,
    /// `I`
    pub width: usize,
}

/// Buffers for the gradients of a [`Linear`]. Only those that are given are computed.
#[derive(Debug)]
pub struct LinearInto<'a> {
    /// Gradient with respect to `x`, `[N, I]`.
    pub x: Option<&'a mut [f32]>,
    /// Gradient with respect to the weights, `[R, I]`.
    pub weights: Option<&'a mut [f32]>,
    /// Gradient with respect to the bias, `[R]`.
    pub bias: Option<&'a mut [f32]>,
    /// Gradient with respect to the gain, `[R]`; ignored without layer normalization.
    pub gain: Option<&'a mut [f32]>,
}

impl Linear<'_> {
    /// Checks the sizes; returns `N`, `R` and the number of active rows.
    fn check(&self) -> [usize; 3] {
        let Self { x, weights, bias, norm, rows, width } = *self;
        assert!(width > 0 && x.len().is_multiple_of(width), "x: [N, I]");
        assert!(weights.len().is_multiple_of(width), "weights: [R, I]");
        let (count, outputs) = (x.len() / width, weights.len() / width);
        assert_eq!(bias.map_or(outputs, <[f32]>::len), outputs, "bias: [R]");
        assert_eq!(norm.map_or(outputs, |norm| norm.gain.len()), outputs, "gain: [R]");
        if let Some(rows) = rows {
            assert!(rows.is_sorted_by(|a, b| a < b) && rows.iter().all(|row| *row < count), "rows: ascending, below N");
        }
        [count, outputs, rows.map_or(count, <[usize]>::len)]
    }

    /// Number of values that [`linear`] saves for [`linear_backward`]: with layer normalization the normalized rows
    /// `[N, R]` and their inverse standard deviations `[N]`, otherwise none.
    pub fn saved_len(&self) -> usize {
        let [count, outputs, _] = self.check();
        if self.norm.is_some() { count * (outputs + 1) } else { 0 }
    }

    /// Maps each row to its index among the active rows.
    fn active_indices(&self, count: usize) -> Vec<Option<usize>> {
        match self.rows {
            None => (0..count).map(Some).collect(),
            Some(rows) => {
                let mut indices = vec![None; count];
                rows.iter().enumerate().for_each(|(n, row)| indices[*row] = Some(n));
                indices
            }
        }
    }
}

/// Computes a [`Linear`], `[N, R]`. Writes the values that [`linear_backward`] needs to `saved`, if it is given.
///
/// # Panics
/// If a slice has the wrong size.
pub fn linear(isa: Isa, from: Linear<'_>, into: &mut [f32], saved: Option<&mut [f32]>) {
    let [count, outputs, rows] = from.check();
    assert_eq!(into.len(), count * outputs, "into: [N, R]");
    assert!(saved.as_ref().is_none_or(|saved| saved.len() == from.saved_len()), "saved: saved_len() values");
    let weights = Matrix::new(from.weights, outputs, from.width).transposed();
    if from.norm.is_none() && from.rows.is_none() {
        match from.bias {
            Some(bias) => into.par_chunks_mut(outputs).for_each(|row| row.copy_from_slice(bias)),
            None => into.fill(0.0),
        }
        return matmul(Matrix::new(from.x, count, from.width), weights, into, true);
    }
    let mut product = vec![0.0; rows * outputs];
    let x = gather(from.x, from.width, from.rows);
    matmul(Matrix::new(&x, rows, from.width), weights, &mut product, false);
    let indices = from.active_indices(count);
    let finish = |row: usize, into: &mut [f32], saved: Option<(&mut [f32], &mut f32)>| match indices[row] {
        None => into.fill(0.0),
        Some(n) => {
            into.copy_from_slice(&product[n * outputs..][..outputs]);
            isa.run(NormAndBias { row: into, saved, bias: from.bias, norm: from.norm });
        }
    };
    let into = into.par_chunks_mut(outputs).enumerate();
    match saved.filter(|_| from.norm.is_some()) {
        None => into.for_each(|(row, into)| finish(row, into, None)),
        Some(saved) => {
            let (normalized, inv_std) = saved.split_at_mut(count * outputs);
            let saved = normalized.par_chunks_mut(outputs).zip(inv_std);
            into.zip(saved).for_each(|((row, into), saved)| finish(row, into, Some(saved)));
        }
    }
}

/// Computes the gradients of a [`Linear`], given the gradient with respect to its result, `[N, R]`.
///
/// # Panics
/// If a slice has the wrong size.
pub fn linear_backward(isa: Isa, from: Linear<'_>, saved: &[f32], gradient: &[f32], into: LinearInto<'_>) {
    let [count, outputs, rows] = from.check();
    assert_eq!(saved.len(), from.saved_len(), "saved: saved_len() values");
    assert_eq!(gradient.len(), count * outputs, "gradient: [N, R]");
    let d_y = gather(gradient, outputs, from.rows);
    if let Some(into) = into.bias {
        assert_eq!(into.len(), outputs, "gradient of the bias: [R]");
        sum_of_rows(&d_y, None, into, false);
    }
    let d_product = match from.norm {
        None => d_y,
        Some(norm) => {
            let (normalized, inv_std) = saved.split_at(count * outputs);
            let (normalized, inv_std) = (gather(normalized, outputs, from.rows), gather(inv_std, 1, from.rows));
            if let Some(into) = into.gain {
                assert_eq!(into.len(), outputs, "gradient of the gain: [R]");
                sum_of_rows(&d_y, Some(&normalized), into, false);
            }
            let mut d_product = d_y.into_owned();
            let rows = d_product.par_chunks_mut(outputs).zip(normalized.par_chunks(outputs)).zip(&inv_std[..]);
            rows.for_each(|((row, normalized), inv_std)| {
                isa.run(NormBackward { row, normalized, inv_std: *inv_std, gain: norm.gain });
            });
            Cow::Owned(d_product)
        }
    };
    let d_product = Matrix::new(&d_product, rows, outputs);
    if let Some(into) = into.weights {
        let x = gather(from.x, from.width, from.rows);
        matmul(d_product.transposed(), Matrix::new(&x, rows, from.width), into, false);
    }
    if let Some(into) = into.x {
        let weights = Matrix::new(from.weights, outputs, from.width);
        assert_eq!(into.len(), from.x.len(), "gradient of x: [N, I]");
        if from.rows.is_none() {
            return matmul(d_product, weights, into, false);
        }
        let mut d_x = vec![0.0; rows * from.width];
        matmul(d_product, weights, &mut d_x, false);
        into.par_chunks_mut(from.width).zip(from.active_indices(count)).for_each(|(into, index)| match index {
            None => into.fill(0.0),
            Some(n) => into.copy_from_slice(&d_x[n * from.width..][..from.width]),
        });
    }
}

/// The active rows, contiguous in memory.
fn gather<'a>(values: &'a [f32], width: usize, rows: Option<&[usize]>) -> Cow<'a, [f32]> {
    let Some(rows) = rows else { return Cow::Borrowed(values) };
    let mut gathered = vec![0.0; rows.len() * width];
    gathered.par_chunks_mut(width).zip(rows).for_each(|(into, row)| {
        into.copy_from_slice(&values[row * width..][..width]);
    });
    Cow::Owned(gathered)
}

/// Applies layer normalization, if any, and the bias to a row of a product.
pub(crate) struct NormAndBias<'a> {
    pub row: &'a mut [f32],
    /// The normalized row, and its inverse standard deviation.
    pub saved: Option<(&'a mut [f32], &'a mut f32)>,
    pub bias: Option<&'a [f32]>,
    pub norm: Option<LayerNorm<'a>>,
}

impl WithSimd for NormAndBias<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { row, mut saved, bias, norm } = self;
        let Some(norm) = norm else {
            for (value, bias) in row.iter_mut().zip(bias.unwrap_or_default()) {
                *value += bias;
            }
            return;
        };
        let moments = Moments::from_row(s, row, norm.epsilon);
        if let Some((_, inv_std)) = &mut saved {
            **inv_std = moments.inv_std;
        }
        let (mean, inv_std) = (s.splat_f32s(moments.mean), s.splat_f32s(moments.inv_std));
        for start in (0..row.len()).step_by(S::F32_LANES) {
            let count = (row.len() - start).min(S::F32_LANES);
            // SAFETY: all slices have the length of the row, and `start + count` is at most that.
            unsafe {
                let at = |values: &[f32]| load_some(s, values.as_ptr().add(start), count);
                let normalized = s.mul_f32s(s.sub_f32s(at(row), mean), inv_std);
                let value = s.mul_add_f32s(normalized, at(norm.gain), bias.map_or(s.splat_f32s(0.0), at));
                store_some(s, row.as_mut_ptr().add(start), count, value);
                if let Some((into, _)) = &mut saved {
                    store_some(s, into.as_mut_ptr().add(start), count, normalized);
                }
            }
        }
    }
}

/// Turns a row's gradient with respect to `gain ⊙ normalized` into that with respect to the product.
struct NormBackward<'a> {
    row: &'a mut [f32],
    normalized: &'a [f32],
    inv_std: f32,
    gain: &'a [f32],
}

impl WithSimd for NormBackward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { row, normalized, inv_std, gain } = self;
        let [mean, slope] = layer_norm_grad_means(s, gain, row, normalized);
        for ((value, normalized), gain) in row.iter_mut().zip(normalized).zip(gain) {
            *value = (*value * gain - mean - normalized * slope) * inv_std;
        }
    }
}
