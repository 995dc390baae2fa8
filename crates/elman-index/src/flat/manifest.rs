//! `store.json`: what a store is, and which files are its current generation.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    entry::{MAX_D_EMBED, MAX_DEPTH, nests_within},
    error::IndexError,
    flat::seal::{Seal, SealedWriter},
    metric::Metric,
};

const FORMAT: &str = "elman-index";
const VERSION: u64 = 1;

/// The most bytes of `store.json`.
const MAX_BYTES: u64 = 1 << 20;

/// The most bytes of a model's identity, in the compact form: in `store.json`, where each value has a line of its own
/// and is indented, this stays under [`MAX_BYTES`].
const MAX_MODEL_BYTES: u64 = 4096;

/// The contents of `store.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: String,
    version: u64,
    /// Part of the names of the other files, so that no file of the current generation is ever overwritten.
    pub(crate) generation: u64,
    pub(crate) d_embed: usize,
    pub(crate) metric: Metric,
    pub(crate) count: usize,
    pub(crate) model: Value,
    pub(crate) vectors: Seal,
    pub(crate) entries: Seal,
}

/// The fields that every version has.
#[derive(Deserialize)]
struct Header {
    format: String,
    version: u64,
}

impl Manifest {
    pub(crate) fn new(
        generation: u64,
        (d_embed, metric, count): (usize, Metric, usize),
        model: Value,
        (vectors, entries): (Seal, Seal),
    ) -> Self {
        Self { format: FORMAT.into(), version: VERSION, generation, d_embed, metric, count, model, vectors, entries }
    }

    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join("store.json")
    }

    /// Reads and checks `store.json`, but not the files that it speaks of.
    pub(crate) fn read(folder: &Path) -> Result<Self, IndexError> {
        let path = Self::path(folder);
        let bytes = match read_at_most(&path, MAX_BYTES + 1) {
            Ok(bytes) if bytes.len() as u64 > MAX_BYTES => {
                return Err(IndexError::ManifestSize { path, limit: MAX_BYTES });
            }
            Ok(bytes) => bytes,
            Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Err(IndexError::NotAStore { path: folder.into() });
            }
            Err(source) => return Err(IndexError::Read { path, source }),
        };
        // The version comes first: a later one may have fields that this one would find wrong.
        let header: Header = match serde_json::from_slice(&bytes) {
            Ok(header) => header,
            Err(source) => return Err(IndexError::Manifest { path, source }),
        };
        if header.format != FORMAT {
            return Err(IndexError::Format { path, expected: FORMAT, found: header.format });
        }
        if header.version != VERSION {
            return Err(IndexError::Version { path, expected: VERSION, found: header.version });
        }
        let manifest: Self = match serde_json::from_slice(&bytes) {
            Ok(manifest) => manifest,
            Err(source) => return Err(IndexError::Manifest { path, source }),
        };
        if manifest.d_embed == 0 || manifest.d_embed > MAX_D_EMBED {
            return Err(IndexError::StoredDimension { path, limit: MAX_D_EMBED, found: manifest.d_embed });
        }
        Ok(manifest)
    }

    /// Replaces `store.json`.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), IndexError> {
        let mut file = SealedWriter::create(&Self::path(folder))?;
        let mut json = serde_json::to_vec_pretty(self).expect("a manifest is JSON");
        json.push(b'\n');
        file.write(&json)?;
        file.finish()?;
        Ok(())
    }
}

/// Checks that a model's identity will be read back.
pub(crate) fn check_model(model: &Value) -> Result<(), IndexError> {
    if nests_within(model, MAX_DEPTH) && model.to_string().len() as u64 <= MAX_MODEL_BYTES {
        return Ok(());
    }
    Err(IndexError::ModelIdentity { limit_bytes: MAX_MODEL_BYTES, limit_depth: MAX_DEPTH })
}

fn read_at_most(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
