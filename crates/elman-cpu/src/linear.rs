//! The input product: a dense layer over all rows of a batch of sequences at once.

use std::borrow::Cow;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use crate::{
    Isa, LayerNorm,
    matmul::{Matrix, matmul},
    norm::{Moments, lost},
    product::{load_some, store_some},
    sums::sum_of_rows,
};

/// `y = x Wᵀ + b`, or with layer normalisation `y = gain ⊙ norm(x Wᵀ) + b`.
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
    /// Its gain is `[R]`.
    pub norm: Option<LayerNorm<'a>>,
    /// The rows that there are, in ascending order; all without. What the others hold is not looked at, and they become
    /// zero.
    pub rows: Option<&'a [usize]>,
    /// `I`
    pub width: usize,
}

/// What is written: gradients, each of the size of what it is by, of those that are optional only what is asked for.
#[derive(Debug)]
pub struct LinearInto<'a> {
    /// By `x`, `[N, I]`.
    pub x: Option<&'a mut [f32]>,
    /// By the weights, `[R, I]`.
    pub weights: Option<&'a mut [f32]>,
    /// By the bias, `[R]`.
    pub bias: Option<&'a mut [f32]>,
    /// By the gain, `[R]`.
    pub gain: Option<&'a mut [f32]>,
}

impl Linear<'_> {
    /// `N`, `R`, and how many rows there are.
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

    /// Numbers that [`linear`] saves for [`linear_backward`]: with layer normalisation the normalised rows `[N, R]` and one
    /// over their deviations `[N]`, else none.
    pub fn saved_len(&self) -> usize {
        let [count, outputs, _] = self.check();
        if self.norm.is_some() { count * (outputs + 1) } else { 0 }
    }

    /// Of each row, which of those that there are it is.
    fn places(&self, count: usize) -> Vec<Option<usize>> {
        match self.rows {
            None => (0..count).map(Some).collect(),
            Some(rows) => {
                let mut places = vec![None; count];
                rows.iter().enumerate().for_each(|(n, row)| places[*row] = Some(n));
                places
            }
        }
    }
}

/// Computes a [`Linear`]: `[N, R]`, and what [`linear_backward`] needs if `saved` is given.
///
/// # Panics
/// If a slice has another size.
pub fn linear(isa: Isa, from: Linear<'_>, into: &mut [f32], saved: Option<&mut [f32]>) {
    let [count, outputs, rows] = from.check();
    assert_eq!(into.len(), count * outputs, "into: [N, R]");
    assert!(saved.as_ref().is_none_or(|saved| saved.len() == from.saved_len()), "saved: as many as saved_len says");
    let turned = Matrix::new(from.weights, outputs, from.width).transposed();
    if from.norm.is_none() && from.rows.is_none() {
        match from.bias {
            Some(bias) => into.par_chunks_mut(outputs).for_each(|row| row.copy_from_slice(bias)),
            None => into.fill(0.0),
        }
        return matmul(Matrix::new(from.x, count, from.width), turned, into, true);
    }
    let mut product = vec![0.0; rows * outputs];
    let x = gather(from.x, from.width, from.rows);
    matmul(Matrix::new(&x, rows, from.width), turned, &mut product, false);
    let places = from.places(count);
    let finish = |row: usize, into: &mut [f32], saved: Option<(&mut [f32], &mut f32)>| match places[row] {
        None => into.fill(0.0),
        Some(n) => {
            into.copy_from_slice(&product[n * outputs..][..outputs]);
            isa.run(Finish { row: into, saved, bias: from.bias, norm: from.norm });
        }
    };
    let into = into.par_chunks_mut(outputs).enumerate();
    match saved.filter(|_| from.norm.is_some()) {
        None => into.for_each(|(row, into)| finish(row, into, None)),
        Some(saved) => {
            let (normal, scale) = saved.split_at_mut(count * outputs);
            let saved = normal.par_chunks_mut(outputs).zip(scale);
            into.zip(saved).for_each(|((row, into), saved)| finish(row, into, Some(saved)));
        }
    }
}

/// The gradients of a [`Linear`] from that of its result, `[N, R]`.
///
/// # Panics
/// If a slice has another size, or a gradient by a gain is asked for that there is not.
pub fn linear_backward(isa: Isa, from: Linear<'_>, saved: &[f32], gradient: &[f32], into: LinearInto<'_>) {
    let [count, outputs, rows] = from.check();
    assert_eq!(saved.len(), from.saved_len(), "saved: as many as saved_len says");
    assert_eq!(gradient.len(), count * outputs, "gradient: [N, R]");
    let by = gather(gradient, outputs, from.rows);
    if let Some(into) = into.bias {
        assert_eq!(into.len(), outputs, "gradient by the bias: [R]");
        sum_of_rows(&by, None, into, false);
    }
    let product = match from.norm {
        None => by,
        Some(norm) => {
            let (normal, scale) = saved.split_at(count * outputs);
            let (normal, scale) = (gather(normal, outputs, from.rows), gather(scale, 1, from.rows));
            if let Some(into) = into.gain {
                assert_eq!(into.len(), outputs, "gradient by the gain: [R]");
                sum_of_rows(&by, Some(&normal), into, false);
            }
            let mut product = by.into_owned();
            let rows = product.par_chunks_mut(outputs).zip(normal.par_chunks(outputs)).zip(&scale[..]);
            rows.for_each(|((by, normal), scale)| isa.run(Turn { by, normal, scale: *scale, gain: norm.gain }));
            Cow::Owned(product)
        }
    };
    let product = Matrix::new(&product, rows, outputs);
    if let Some(into) = into.weights {
        let x = gather(from.x, from.width, from.rows);
        matmul(product.transposed(), Matrix::new(&x, rows, from.width), into, false);
    }
    if let Some(into) = into.x {
        let weights = Matrix::new(from.weights, outputs, from.width);
        assert_eq!(into.len(), from.x.len(), "gradient by x: [N, I]");
        if from.rows.is_none() {
            return matmul(product, weights, into, false);
        }
        let mut by = vec![0.0; rows * from.width];
        matmul(product, weights, &mut by, false);
        into.par_chunks_mut(from.width).zip(from.places(count)).for_each(|(into, place)| match place {
            None => into.fill(0.0),
            Some(n) => into.copy_from_slice(&by[n * from.width..][..from.width]),
        });
    }
}

/// The rows that there are, one after the other.
fn gather<'a>(values: &'a [f32], width: usize, rows: Option<&[usize]>) -> Cow<'a, [f32]> {
    let Some(rows) = rows else { return Cow::Borrowed(values) };
    let mut gathered = vec![0.0; rows.len() * width];
    gathered.par_chunks_mut(width).zip(rows).for_each(|(into, row)| {
        into.copy_from_slice(&values[row * width..][..width]);
    });
    Cow::Owned(gathered)
}

/// One row's product, normalised where that is asked for, and its bias.
pub(crate) struct Finish<'a> {
    pub row: &'a mut [f32],
    /// The normalised row, and one over its deviation.
    pub saved: Option<(&'a mut [f32], &'a mut f32)>,
    pub bias: Option<&'a [f32]>,
    pub norm: Option<LayerNorm<'a>>,
}

impl WithSimd for Finish<'_> {
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
        let moments = Moments::of(s, row, norm.epsilon);
        if let Some((_, scale)) = &mut saved {
            **scale = moments.scale;
        }
        let (mean, scale) = (s.splat_f32s(moments.mean), s.splat_f32s(moments.scale));
        for start in (0..row.len()).step_by(S::F32_LANES) {
            let count = (row.len() - start).min(S::F32_LANES);
            // SAFETY: all rows have the same length, of which these are the last numbers or a register's.
            unsafe {
                let at = |of: &[f32]| load_some(s, of.as_ptr().add(start), count);
                let normal = s.mul_f32s(s.sub_f32s(at(row), mean), scale);
                let value = s.mul_add_f32s(normal, at(norm.gain), bias.map_or(s.splat_f32s(0.0), at));
                store_some(s, row.as_mut_ptr().add(start), count, value);
                if let Some((into, _)) = &mut saved {
                    store_some(s, into.as_mut_ptr().add(start), count, normal);
                }
            }
        }
    }
}

/// One row's gradient by what was normalised becomes that by the product.
struct Turn<'a> {
    by: &'a mut [f32],
    normal: &'a [f32],
    scale: f32,
    gain: &'a [f32],
}

impl WithSimd for Turn<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self { by, normal, scale, gain } = self;
        let [mean, slope] = lost(s, gain, by, normal);
        for ((by, normal), gain) in by.iter_mut().zip(normal).zip(gain) {
            *by = (*by * gain - mean - normal * slope) * scale;
        }
    }
}
