use super::{Binary, Collection, Float32, Int8, VectorDtype};
use crate::{entry::check_dim, error::IndexError, memory::retain_rows};

/// The vectors of a store, in any dtype.
#[derive(Clone, Debug)]
pub(super) enum AnyCollection {
    Float32 { dim: usize, values: Vec<f32> },
    Int8(Int8),
    Binary(Binary),
}

impl AnyCollection {
    pub(super) fn new(dtype: VectorDtype, dim: usize) -> Result<Self, IndexError> {
        check_dim(dim)?;
        Ok(match dtype {
            VectorDtype::F32 => Self::Float32 { dim, values: Vec::new() },
            VectorDtype::Int8 => Self::Int8(Int8::new(dim)?),
            VectorDtype::Binary => Self::Binary(Binary::new(dim)?),
        })
    }

    /// Replaces the vector at `position`, or appends it. The vector must have been checked.
    pub(super) fn set_or_push(&mut self, position: usize, vector: &[f32]) -> Result<(), IndexError> {
        let replaces = position < self.len();
        match self {
            Self::Float32 { dim, values } if replaces => {
                values[position * *dim..][..*dim].copy_from_slice(vector);
                Ok(())
            }
            Self::Float32 { values, .. } => {
                values.extend_from_slice(vector);
                Ok(())
            }
            Self::Int8(collection) if replaces => collection.set(position, vector),
            Self::Int8(collection) => collection.push(vector),
            Self::Binary(collection) if replaces => collection.set(position, vector),
            Self::Binary(collection) => collection.push(vector),
        }
    }

    pub(super) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        match self {
            Self::Float32 { dim, values } => retain_rows(values, *dim, keep),
            Self::Int8(collection) => collection.retain(keep),
            Self::Binary(collection) => collection.retain(keep),
        }
    }

    pub(super) fn vector(&self, position: usize) -> Vec<f32> {
        match self {
            Self::Float32 { dim, values } => Float32::from_checked(*dim, values).vector(position).to_vec(),
            Self::Int8(collection) => collection.vector(position),
            Self::Binary(collection) => collection.vector(position),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&dyn Collection) -> T) -> T {
        match self {
            Self::Float32 { dim, values } => f(&Float32::from_checked(*dim, values)),
            Self::Int8(collection) => f(collection),
            Self::Binary(collection) => f(collection),
        }
    }
}

impl Collection for AnyCollection {
    fn dim(&self) -> usize {
        self.with(|collection| collection.dim())
    }

    fn len(&self) -> usize {
        self.with(|collection| collection.len())
    }

    fn nearest(&self, query: &[f32], count: usize) -> Result<Vec<(usize, f32)>, IndexError> {
        self.with(|collection| collection.nearest(query, count))
    }

    fn cosines(&self, query: &[f32], positions: &[usize]) -> Result<Vec<f32>, IndexError> {
        self.with(|collection| collection.cosines(query, positions))
    }
}
