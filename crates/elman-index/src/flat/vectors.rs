//! `vectors-N.safetensors`: one tensor `vectors`, `[count, d_embed]`, F32.
//!
//! The header is safetensors' own type; the numbers behind it are streamed, so that a store needs no second copy of
//! them in memory.

use std::{io::Read, path::Path};

use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};

use crate::{
    error::IndexError,
    flat::seal::{Seal, SealedWriter},
};

const TENSOR: &str = "vectors";

/// The most bytes of the header's JSON. A store writes about 80.
const MAX_HEADER: u64 = 1 << 16;

/// Bytes that give the length of the header.
const PREFIX: u64 = 8;

/// Numbers that are converted at a time.
const CHUNK: usize = 1 << 14;

pub(crate) fn write(path: &Path, d_embed: usize, vectors: &[f32]) -> Result<Seal, IndexError> {
    let shape = vec![vectors.len() / d_embed, d_embed];
    let info = TensorInfo { dtype: Dtype::F32, shape, data_offsets: (0, size_of_val(vectors)) };
    let header = Metadata::new(None, vec![(TENSOR.into(), info)]).expect("offsets that fit the shape");
    let mut json = serde_json::to_vec(&header).expect("a header is JSON");
    // The numbers start at a multiple of 8, as the format advises.
    json.resize(json.len().next_multiple_of(8), b' ');
    let mut file = SealedWriter::create(path)?;
    file.write(&(json.len() as u64).to_le_bytes())?;
    file.write(&json)?;
    let mut bytes = Vec::with_capacity(4 * CHUNK);
    for chunk in vectors.chunks(CHUNK) {
        bytes.clear();
        bytes.extend(chunk.iter().flat_map(|value| value.to_le_bytes()));
        file.write(&bytes)?;
    }
    file.finish()
}

pub(crate) fn read(path: &Path, seal: &Seal, count: usize, d_embed: usize) -> Result<Vec<f32>, IndexError> {
    let failed = |source| IndexError::Read { path: path.into(), source };
    let mut file = seal.open(path)?;

    let limit = MAX_HEADER.min(seal.bytes.saturating_sub(PREFIX));
    let mut prefix = [0; PREFIX as usize];
    if seal.bytes < PREFIX {
        return Err(IndexError::VectorsEnd { path: path.into(), expected: PREFIX, found: seal.bytes });
    }
    file.read_exact(&mut prefix).map_err(failed)?;
    let header_bytes = u64::from_le_bytes(prefix);
    if header_bytes > limit {
        return Err(IndexError::HeaderSize { path: path.into(), limit, found: header_bytes });
    }
    let mut json = vec![0; header_bytes as usize];
    file.read_exact(&mut json).map_err(failed)?;
    let header: Metadata =
        serde_json::from_slice(&json).map_err(|source| IndexError::Header { path: path.into(), source })?;
    check(path, &header, [count, d_embed])?;
    let expected = (PREFIX + header_bytes).saturating_add(header.data_len() as u64);
    if expected != seal.bytes {
        return Err(IndexError::VectorsEnd { path: path.into(), expected, found: seal.bytes });
    }

    // The shape fits the header's offsets, and those fit the file: no more is allocated than the file has.
    let mut vectors = Vec::new();
    let memory = |_| IndexError::Memory { path: path.into(), bytes: seal.bytes };
    vectors.try_reserve_exact(count * d_embed).map_err(memory)?;
    let mut bytes = vec![0; 4 * CHUNK];
    while vectors.len() < count * d_embed {
        let chunk = &mut bytes[..4 * CHUNK.min(count * d_embed - vectors.len())];
        file.read_exact(chunk).map_err(failed)?;
        for &value in chunk.as_chunks().0 {
            let found = f32::from_le_bytes(value);
            if !found.is_finite() {
                let (row, position) = (vectors.len() / d_embed, vectors.len() % d_embed);
                return Err(IndexError::StoredNotFinite { path: path.into(), row, position, found });
            }
            vectors.push(found);
        }
    }
    Ok(vectors)
}

/// Checks the tensor that a header declares.
fn check(path: &Path, header: &Metadata, shape: [usize; 2]) -> Result<(), IndexError> {
    let mut names = header.offset_keys();
    let info = match header.info(TENSOR) {
        Some(info) if names.len() == 1 => info,
        _ => {
            names.sort();
            return Err(IndexError::Tensors { path: path.into(), expected: TENSOR, found: names });
        }
    };
    if info.dtype != Dtype::F32 {
        return Err(IndexError::DataType { path: path.into(), expected: Dtype::F32, found: info.dtype });
    }
    if info.shape != shape {
        return Err(IndexError::Shape { path: path.into(), expected: shape, found: info.shape.clone() });
    }
    Ok(())
}
