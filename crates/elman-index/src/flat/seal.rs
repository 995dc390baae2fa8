//! A file's size and checksum: taken while it is written, compared before it is read.

use std::{
    fs::File,
    io::{self, BufReader, BufWriter, Read, Seek, Write},
    path::{Path, PathBuf},
};

use atomic_write_file::AtomicWriteFile;
use serde::{Deserialize, Serialize};

use crate::error::IndexError;

/// What a file must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seal {
    /// The size.
    pub(crate) bytes: u64,
    /// CRC-32 (IEEE 802.3, as in gzip).
    pub(crate) crc32: u32,
}

impl Seal {
    /// Opens a file at its start if it is what the seal says.
    pub(crate) fn open(&self, path: &Path) -> Result<BufReader<File>, IndexError> {
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => IndexError::Missing { path: path.into() },
            _ => IndexError::Read { path: path.into(), source },
        };
        let mut file = File::open(path).map_err(failed)?;
        let found = file.metadata().map_err(failed)?.len();
        if found != self.bytes {
            return Err(IndexError::Size { path: path.into(), expected: self.bytes, found });
        }
        let found = checksum(&mut file).map_err(failed)?;
        if found != self.crc32 {
            return Err(IndexError::Checksum { path: path.into(), expected: self.crc32, found });
        }
        file.rewind().map_err(failed)?;
        Ok(BufReader::new(file))
    }
}

fn checksum(file: &mut File) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize()),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Writes a file that appears, whole and synced, at [`finish`](Self::finish), or not at all.
pub(crate) struct SealedWriter {
    path: PathBuf,
    file: BufWriter<AtomicWriteFile>,
    hasher: crc32fast::Hasher,
    bytes: u64,
}

impl SealedWriter {
    pub(crate) fn create(path: &Path) -> Result<Self, IndexError> {
        let file = AtomicWriteFile::open(path).map_err(|source| IndexError::Write { path: path.into(), source })?;
        Ok(Self { path: path.into(), file: BufWriter::new(file), hasher: crc32fast::Hasher::new(), bytes: 0 })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), IndexError> {
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(|source| IndexError::Write { path: self.path.clone(), source })
    }

    pub(crate) fn finish(self) -> Result<Seal, IndexError> {
        let committed = self.file.into_inner().map_err(io::Error::from).and_then(AtomicWriteFile::commit);
        committed.map_err(|source| IndexError::Write { path: self.path, source })?;
        Ok(Seal { bytes: self.bytes, crc32: self.hasher.finalize() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standard_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let mut writer = SealedWriter::create(&path).unwrap();
        writer.write(b"1234").unwrap();
        writer.write(b"56789").unwrap();
        assert!(!path.exists());
        let seal = writer.finish().unwrap();
        assert_eq!(seal, Seal { bytes: 9, crc32: 0xcbf4_3926 });
        assert_eq!(io::read_to_string(seal.open(&path).unwrap()).unwrap(), "123456789");
    }
}
