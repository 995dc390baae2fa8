use std::{
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::{self, Read, Seek},
    path::Path,
    time::SystemTime,
};

use super::Fault;

/// Bytes at the beginning of a file that are hashed to detect modifications.
const HASHED_BYTES: u64 = 4096;

/// The state of a regular file when it was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Hash of the first bytes.
    beginning: u64,
}

impl Stamp {
    fn new(file: &mut File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        let (bytes, modified) = (metadata.len(), metadata.modified().ok());
        Ok(Self { bytes, modified, beginning: beginning(file, bytes)? })
    }

    /// The file's length.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Fails if the file was modified; appending is allowed. Rewinds the file.
    fn check(&self, file: &mut File) -> io::Result<()> {
        let metadata = file.metadata()?;
        let (before, after) = (self.bytes, metadata.len());
        let may_be_same = after > before || (after == before && metadata.modified().ok() == self.modified);
        match may_be_same && beginning(file, before)? == self.beginning {
            true => Ok(()),
            false => Err(Fault::Changed { before, after }.into()),
        }
    }
}

/// Hashes the beginning of the first `bytes` bytes of a file. Rewinds the file.
fn beginning(file: &mut File, bytes: u64) -> io::Result<u64> {
    let mut first = Vec::new();
    file.rewind()?;
    file.by_ref().take(bytes.min(HASHED_BYTES)).read_to_end(&mut first)?;
    file.rewind()?;
    let mut hasher = DefaultHasher::new();
    first.hash(&mut hasher);
    Ok(hasher.finish())
}

/// A file that is read once, up to its length when it was opened. Modifications are reported as an error at the end.
/// Pipes are read to their end.
#[derive(Debug)]
pub(crate) struct Watched {
    file: File,
    /// `None` for pipes and files of length 0: those of `/proc` have content.
    stamp: Option<Stamp>,
    left: u64,
}

impl Watched {
    /// Opens a file or a pipe.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let mut file = elman_files::open_stream(path)?;
        let stamp = if file.metadata()?.is_file() { Some(Stamp::new(&mut file)?) } else { None };
        Ok(Self::new(file, stamp))
    }

    /// Opens a regular file for repeated reading.
    pub(crate) fn with_stamp(path: &Path) -> io::Result<(Self, Stamp)> {
        let mut file = elman_files::open(path)?;
        let stamp = Stamp::new(&mut file)?;
        Ok((Self::new(file, Some(stamp)), stamp))
    }

    /// Opens a file again; fails if it was modified.
    pub(crate) fn reopen(path: &Path, stamp: Stamp) -> io::Result<Self> {
        let mut file = elman_files::open(path)?;
        stamp.check(&mut file)?;
        Ok(Self::new(file, Some(stamp)))
    }

    /// Fails if the file was modified, for readers that do not read through `self`.
    #[cfg(feature = "parquet")]
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.stamp.map_or(Ok(()), |stamp| stamp.check(&mut self.file))
    }

    fn new(file: File, stamp: Option<Stamp>) -> Self {
        let stamp = stamp.filter(|stamp| stamp.bytes > 0);
        Self { file, stamp, left: stamp.map_or(u64::MAX, |stamp| stamp.bytes) }
    }
}

impl Read for Watched {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let read = self.file.read(&mut buffer[..length])?;
        self.left -= read as u64;
        if read > 0 || buffer.is_empty() {
            return Ok(read);
        }
        // check once, even if reads continue after the end
        if let Some(stamp) = self.stamp.take() {
            if self.left > 0 {
                let (before, after) = (stamp.bytes, self.file.metadata()?.len());
                return Err(Fault::Changed { before, after }.into());
            }
            stamp.check(&mut self.file)?;
        }
        self.left = 0;
        Ok(0)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        io::{BufRead, BufReader, Write},
    };

    use super::*;

    /// Reads a line of a file, modifies the file, and reads the rest.
    fn read_modified(path: &Path, change: impl FnOnce(&Path)) -> io::Result<u64> {
        let mut file = BufReader::with_capacity(8, Watched::open(path)?);
        let mut line = String::new();
        file.read_line(&mut line)?;
        change(path);
        Ok(line.len() as u64 + io::copy(&mut file, &mut io::sink())?)
    }

    #[test]
    fn modifying_a_file_is_an_error_but_appending_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("text");
        let text = "a line of a text\n".repeat(1000);
        let changed = |change: &dyn Fn(&Path)| {
            fs::write(&path, &text).unwrap();
            let read = read_modified(&path, change);
            read.map_err(|error| *error.get_ref().and_then(|e| e.downcast_ref::<Fault>()).expect("a fault"))
        };
        let append = |bytes: &[u8]| fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(bytes).unwrap();
        let cut = |bytes: u64| fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(bytes).unwrap();
        let before = text.len() as u64;
        assert_eq!(changed(&|_| {}), Ok(before));
        assert_eq!(changed(&|_| append(b"more\n")), Ok(before));
        assert_eq!(changed(&|_| cut(0)), Err(Fault::Changed { before, after: 0 }));
        assert_eq!(changed(&|_| cut(before - 1)), Err(Fault::Changed { before, after: before - 1 }));
        let other = text.replace("line", "LINE");
        assert_eq!(changed(&|path| fs::write(path, &other).unwrap()), Err(Fault::Changed { before, after: before }));
        let longer = format!("{other} and more");
        let after = longer.len() as u64;
        assert_eq!(changed(&|path| fs::write(path, &longer).unwrap()), Err(Fault::Changed { before, after }));
        // another file of that name is not what is read
        let beside = dir.path().join("beside");
        fs::write(&beside, &other).unwrap();
        assert_eq!(changed(&|path| fs::rename(&beside, path).unwrap()), Ok(before));
        let (_, stamp) = Watched::with_stamp(&path).unwrap();
        assert!(Watched::reopen(&path, stamp).is_ok());
        fs::write(&path, "short").unwrap();
        assert!(Watched::reopen(&path, stamp).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn proc_files_are_read_and_devices_are_rejected() {
        assert!(read_modified(Path::new("/proc/self/status"), |_| {}).unwrap() > 100);
        let error = Watched::open(Path::new("/dev/zero")).unwrap_err();
        assert_eq!(error.to_string(), "it is a device, not a regular file");
    }
}
