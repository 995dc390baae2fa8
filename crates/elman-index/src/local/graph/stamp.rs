use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use crc32fast::Hasher;
use serde::{Deserialize, Serialize};

/// The version of this description and of the file that it describes.
const FORMAT: u32 = 2;
/// More than any description has.
const MAX_BYTES: u64 = 65_536;

/// What is known of a graph that was written: which store it belongs to, and how its file can be told from a damaged one.
///
/// It is `graph.json` in the folder of the store, and replacing it is what replaces the graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Stamp {
    format: u32,
    /// What the database calls this graph: one of another store, or of an older copy of this one, has another name.
    pub(super) generation: String,
    bytes: u64,
    crc32: u32,
    /// The last row that was looked at: what is in the graph is not after it.
    pub(super) last_row: i64,
    pub(super) entries: usize,
    /// How many rows had ever been removed from the store when it was begun.
    pub(super) removed: i64,
    /// The checksum of all of this: a wrong number would leave entries out.
    sum: u32,
}

impl Stamp {
    /// Describes a graph that has been written, and syncs it.
    pub(super) fn of_file(
        folder: &Path,
        generation: String,
        last_row: i64,
        entries: usize,
        removed: i64,
    ) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path(folder, &generation))?;
        file.sync_all()?;
        let (bytes, crc32) = sum(file)?;
        let stamp = Self { format: FORMAT, generation, bytes, crc32, last_row, entries, removed, sum: 0 };
        Ok(Self { sum: stamp.checksum(), ..stamp })
    }

    /// The description in a folder, if there is one that this program can read.
    pub(super) fn read(folder: &Path) -> Option<Self> {
        let mut json = String::new();
        File::open(name(folder)).ok()?.take(MAX_BYTES).read_to_string(&mut json).ok()?;
        let is_whole = |stamp: &Self| stamp.format == FORMAT && stamp.sum == stamp.checksum();
        serde_json::from_str(&json).ok().filter(is_whole)
    }

    /// The checksum of all but itself.
    fn checksum(&self) -> u32 {
        let all = format!("{:?}", Self { sum: 0, ..self.clone() });
        crc32fast::hash(all.as_bytes())
    }

    /// Puts the description into the folder, in place of the one that is there.
    pub(super) fn write(&self, folder: &Path) -> io::Result<()> {
        let mut file = AtomicWriteFile::open(name(folder))?;
        serde_json::to_writer_pretty(&mut file, self)?;
        file.write_all(b"\n")?;
        file.commit()
    }

    /// The file of the graph, if it is there as it was written.
    pub(super) fn checked_file(&self, folder: &Path) -> Option<PathBuf> {
        let path = path(folder, &self.generation);
        let sum = File::open(&path).and_then(sum).ok()?;
        (sum == (self.bytes, self.crc32)).then_some(path)
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }
}

fn name(folder: &Path) -> PathBuf {
    folder.join("graph.json")
}

/// Where the graph with this name is.
pub(super) fn path(folder: &Path, generation: &str) -> PathBuf {
    folder.join(format!("graph-{generation}.usearch"))
}

/// The length and the checksum of a file.
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
