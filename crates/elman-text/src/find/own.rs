//! Detects files written by elman, by their content.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Maximum size of a `config.json` that is inspected.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Magic bytes of SQLite files, and the application id of a store in them.
const SQLITE: &[u8] = b"SQLite format 3\0";
const STORE: &[u8] = b"elmn";
/// Beginning of a training log.
const LOG: &[u8] = br#"{"event":"start","#;
/// Tag near the beginning of HTML pages.
const PAGE: &[u8] = br#"<meta name="generator" content="elman "#;
/// Header of a table of clusters.
const CLUSTERS: &[u8] = b"id,cluster\n";

/// Files of a model directory.
const MODEL_FILES: [&str; 13] = [
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "README.md",
    "train.jsonl",
    "report.html",
    "curves.svg",
    "curve.svg",
    "tree.svg",
    "words.svg",
    "modules.json",
    "config_sentence_transformers.json",
    "elman_encoder.py",
];

/// What a directory contains.
pub(super) struct Own {
    is_model: bool,
    has_log: bool,
    is_store: bool,
}

impl Own {
    pub(super) fn inspect(dir: &Path) -> Self {
        let is_model = is_config(&dir.join("config.json"));
        // a training run has a log before its first model
        let has_log = beginning(dir.join("train.jsonl"), LOG.len() as u64).is_some_and(|bytes| bytes == LOG);
        let is_store = beginning(dir.join("store.sqlite"), 100).is_some_and(|bytes| is_store(&bytes));
        Self { is_model, has_log, is_store }
    }

    /// Whether elman wrote the file, judging by its first bytes.
    pub(super) fn wrote(&self, path: &Path, bytes: &[u8]) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ends_with = |ending: &str| name.ends_with(ending);
        self.is_model && MODEL_FILES.contains(&&*name)
            || self.has_log && name == "curves.svg"
            || self.is_store && (name.starts_with("store.sqlite") || name == "graph.json" || ends_with(".usearch"))
            || is_store(bytes)
            || ends_with(".jsonl") && (bytes.starts_with(LOG) || is_embedding(bytes))
            || ends_with(".html") && bytes.windows(PAGE.len()).any(|window| window == PAGE)
            || ends_with(".csv") && bytes.starts_with(CLUSTERS)
            || ends_with(".safetensors") && bytes.windows(8).any(|window| window == b"\"elman-c") // checkpoint, classifier
    }
}

/// The first bytes of a regular file.
fn beginning(path: PathBuf, count: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    elman_files::open(path).and_then(|file| file.take(count).read_to_end(&mut bytes)).ok()?;
    Some(bytes)
}

fn is_config(path: &Path) -> bool {
    let config =
        beginning(path.into(), MAX_CONFIG_BYTES).and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok());
    config.is_some_and(|config| config.get("elman_version").is_some_and(Value::is_string))
}

fn is_store(bytes: &[u8]) -> bool {
    bytes.starts_with(SQLITE) && bytes.get(68..72) == Some(STORE)
}

/// Whether a file begins like the JSON Lines of `elman embed`; the first line may be truncated within the vector.
fn is_embedding(bytes: &[u8]) -> bool {
    const VECTOR: &[u8] = br#"","embedding":["#;
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Some(end) = line.windows(VECTOR.len()).position(|window| window == VECTOR) else { return false };
    let number = line.get(end + VECTOR.len());
    line.starts_with(br#"{"text":""#) && number.is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-')
}
