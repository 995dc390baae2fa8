//! The store that is damaged.

use std::{ffi::OsString, fs, path::PathBuf, sync::LazyLock};

use elman_index::{FlatStore, IndexError};
use safetensors::{Dtype, tensor::TensorView};
use serde_json::{Value, json};

use crate::common::create;

/// The entries of the store that is damaged.
pub const COUNT: usize = 4;

/// A store of `COUNT` entries on disk, to be damaged.
pub struct Victim(pub tempfile::TempDir);

impl Victim {
    pub fn new() -> Self {
        // Made once and copied: the flushes of a store wait for the disk.
        static FILES: LazyLock<Vec<(OsString, Vec<u8>)>> = LazyLock::new(|| {
            let folder = tempfile::tempdir().unwrap();
            drop(create(folder.path(), COUNT));
            let files = fs::read_dir(folder.path()).unwrap().map(Result::unwrap);
            files.map(|file| (file.file_name(), fs::read(file.path()).unwrap())).collect()
        });
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in &*FILES {
            fs::write(folder.path().join(name), bytes).unwrap();
        }
        Self(folder)
    }

    /// The path of `store.json`, or of the current generation's `vectors` or `entries`.
    pub fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(match file {
            "vectors" => "vectors-2.safetensors",
            "entries" => "entries-2.jsonl",
            other => other,
        })
    }

    pub fn bytes(&self, file: &str) -> Vec<u8> {
        fs::read(self.path(file)).unwrap()
    }

    pub fn write(&self, file: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(file), bytes).unwrap();
    }

    /// Sets a field of `store.json`.
    pub fn set(&self, field: &str, value: impl Into<Value>) {
        let mut manifest: Value = serde_json::from_slice(&self.bytes("store.json")).unwrap();
        manifest[field] = value.into();
        self.write("store.json", manifest.to_string());
    }

    /// Replaces `vectors` or `entries`, with the size and checksum in `store.json` made to fit.
    pub fn forge(&self, file: &str, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        self.write(file, bytes);
        self.set(file, json!({"bytes": bytes.len(), "crc32": crc32fast::hash(bytes)}));
    }

    /// Replaces the vectors by tensors, each with a name, a type and a shape.
    pub fn forge_tensors(&self, tensors: &[(&'static str, Dtype, &[usize])]) {
        let bytes = vec![0; 1 << 10];
        let view = |&(name, dtype, shape): &(&'static str, Dtype, &[usize])| {
            let size = dtype.bitsize() / 8 * shape.iter().product::<usize>();
            (name, TensorView::new(dtype, shape.to_vec(), &bytes[..size]).unwrap())
        };
        let tensors: Vec<_> = tensors.iter().map(view).collect();
        self.forge("vectors", safetensors::serialize(tensors, None).unwrap());
    }

    /// The error of opening, with the folder's path as `DIR`; the same for readers and writers.
    pub fn error(&self) -> String {
        let text = |error: IndexError| error.to_string().replace(&self.0.path().display().to_string(), "DIR");
        let error = text(FlatStore::open_read_only(self.0.path()).unwrap_err());
        assert_eq!(text(FlatStore::open(self.0.path()).unwrap_err()), error);
        assert_eq!(error.lines().count(), 1);
        error
    }
}

/// Damages a store and compares the error; `…` at the end of it stands for another crate's words.
pub fn check(damage: impl FnOnce(&Victim), expected: &str) {
    let victim = Victim::new();
    damage(&victim);
    let error = victim.error();
    match expected.strip_suffix('…') {
        Some(start) => assert!(error.starts_with(start) && error.len() > start.len(), "{error}\nis not\n{expected}"),
        None => assert_eq!(error, expected),
    }
}
