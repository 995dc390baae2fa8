use super::{Binary, Collection, Float32, Int8, VectorDtype};
use crate::{entry::check_d_embed, error::IndexError, memory::retain_rows};

/// The vectors of a store, in one precision.
#[derive(Clone, Debug)]
pub(super) enum Kept {
    Float32 { d_embed: usize, values: Vec<f32> },
    Int8(Int8),
    Binary(Binary),
}

impl Kept {
    pub(super) fn new(precision: VectorDtype, d_embed: usize) -> Result<Self, IndexError> {
        check_d_embed(d_embed)?;
        Ok(match precision {
            VectorDtype::F32 => Self::Float32 { d_embed, values: Vec::new() },
            VectorDtype::Int8 => Self::Int8(Int8::new(d_embed)?),
            VectorDtype::Binary => Self::Binary(Binary::new(d_embed)?),
        })
    }

    /// Puts a vector, which has been checked, at a position, or behind the last.
    pub(super) fn put(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        let replaces = position < self.len();
        match self {
            Self::Float32 { d_embed, values } if replaces => {
                values[position * *d_embed..][..*d_embed].copy_from_slice(vector);
                Ok(())
            }
            Self::Float32 { values, .. } => {
                values.extend_from_slice(vector);
                Ok(())
            }
            Self::Int8(kept) if replaces => kept.set(position, vector),
            Self::Int8(kept) => kept.push(vector),
            Self::Binary(kept) if replaces => kept.set(position, vector),
            Self::Binary(kept) => kept.push(vector),
        }
    }

    pub(super) fn retain(&mut self, stays: impl Fn(usize) -> bool) {
        match self {
            Self::Float32 { d_embed, values } => retain_rows(values, *d_embed, stays),
            Self::Int8(kept) => kept.retain(stays),
            Self::Binary(kept) => kept.retain(stays),
        }
    }

    pub(super) fn vector(&self, position: usize) -> Vec<f32> {
        match self {
            Self::Float32 { d_embed, values } => Float32::of_checked(*d_embed, values).vector(position).to_vec(),
            Self::Int8(kept) => kept.vector(position),
            Self::Binary(kept) => kept.vector(position),
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&dyn Collection) -> T) -> T {
        match self {
            Self::Float32 { d_embed, values } => use_it(&Float32::of_checked(*d_embed, values)),
            Self::Int8(kept) => use_it(kept),
            Self::Binary(kept) => use_it(kept),
        }
    }
}

impl Collection for Kept {
    fn dim(&self) -> usize {
        self.with(|kept| kept.dim())
    }

    fn len(&self) -> usize {
        self.with(|kept| kept.len())
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        self.with(|kept| kept.nearest(query, count))
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        self.with(|kept| kept.cosines(query, positions))
    }
}
