use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

/// Version of the manifest and of the graph file.
const FORMAT: u32 = 2;
/// More than the size of any manifest.
const MAX_BYTES: u64 = 65_536;

/// Manifest of a graph file: which store it belongs to, and the checksum of the file.
///
/// Written to `graph.json` in the folder of the store. Replacing this file replaces the graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct GraphManifest {
    format: u32,
    /// Random id, also stored in the database: the graph of another store, or of an older copy, has another id.
    #[serde(rename = "generation")]
    pub(super) graph_id: String,
    bytes: u64,
    crc32: u32,
    /// The last row that was read: no row of the graph is after it.
    pub(super) last_row: i64,
    pub(super) entries: usize,
    /// The store's `removed` when the graph was begun.
    pub(super) removed: i64,
    /// Checksum of the other fields: a wrong value would hide entries.
    sum: u32,
}

impl GraphManifest {
    /// Makes the manifest of a graph file, and syncs the file.
    pub(super) fn for_file(
        folder: &Path,
        graph_id: String,
        last_row: i64,
        entries: usize,
        removed: i64,
    ) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(graph_path(folder, &graph_id))?;
        file.sync_all()?;
        let (bytes, crc32) = sum(file)?;
        let manifest = Self { format: FORMAT, graph_id, bytes, crc32, last_row, entries, removed, sum: 0 };
        Ok(Self { sum: manifest.checksum(), ..manifest })
    }

    /// Reads the manifest in a folder. `None` if it is missing, damaged, or in another format.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let mut json = String::new();
        File::open(manifest_path(folder)).ok()?.take(MAX_BYTES).read_to_string(&mut json).ok()?;
        let is_valid = |manifest: &Self| manifest.format == FORMAT && manifest.sum == manifest.checksum();
        serde_json::from_str(&json).ok().filter(is_valid)
    }

    /// Checksum of the other fields. The text is part of format 2, so it must not change.
    fn checksum(&self) -> u32 {
        let Self { format, graph_id, bytes, crc32, last_row, entries, removed, sum: _ } = self;
        let text = format!(
            "Stamp {{ format: {format}, generation: {graph_id:?}, bytes: {bytes}, crc32: {crc32}, \
             last_row: {last_row}, entries: {entries}, removed: {removed}, sum: 0 }}"
        );
        crc32fast::hash(text.as_bytes())
    }

    /// Writes the manifest to the folder, atomically replacing a previous one.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = AtomicWriteFile::open(manifest_path(folder))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.commit()
    }

    /// Path of the graph file, if its length and checksum are correct.
    pub(super) fn verified_path(&self, folder: &Path) -> Option<PathBuf> {
        let path = graph_path(folder, &self.graph_id);
        let sum = File::open(&path).and_then(sum).ok()?;
        (sum == (self.bytes, self.crc32)).then_some(path)
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn manifest_path(folder: &Path) -> PathBuf {
    folder.join("graph.json")
}

/// Path of the graph file with this id.
pub(super) fn graph_path(folder: &Path, graph_id: &str) -> PathBuf {
    folder.join(format!("graph-{graph_id}.usearch"))
}

/// Length and CRC-32 of a file.
fn sum(mut file: File) -> io::Result<(u64, u32)> {
    let (mut hasher, mut bytes, mut buffer) = (Hasher::new(), 0, vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((bytes, hasher.finalize())),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
