//! Reads regular files, replaces files atomically, and makes text from files safe to print. Pipes, devices and sockets are
//! rejected, since opening or reading one in place of a model file can block or never end.

pub mod printable;

use std::{
    fs::{self, File, FileType},
    io::{self, IsTerminal, Read, Write},
    path::Path,
};

use atomic_write_file::AtomicWriteFile;

pub use printable::one_line;

/// Why a file was rejected. It is the source of an [`io::Error`] of kind [`io::ErrorKind::InvalidInput`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It is not a regular file.
    #[error("it is {found}, not a regular file")]
    NotRegular {
        /// What it is, in words.
        found: &'static str,
    },
    /// It exceeds the size limit.
    #[error("it has {found} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its size in bytes.
        found: u64,
        /// The limit in bytes.
        limit: u64,
    },
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        Self::new(io::ErrorKind::InvalidInput, error)
    }
}

/// Opens a regular file, or a link to one, for reading.
///
/// The file type is checked before opening, since opening a pipe blocks until the other end is open. This does not
/// protect against a path that changes between the check and the opening.
///
/// # Errors
/// [`FileError::NotRegular`]; errors of the operating system.
pub fn open(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let check = |kind: FileType| match kind.is_file() {
        true => Ok(()),
        false => Err(FileError::NotRegular { found: type_name(kind) }),
    };
    check(fs::metadata(path)?.file_type())?;
    let file = File::open(path)?;
    check(file.metadata()?.file_type())?;
    Ok(file)
}

/// Opens a source of text: a regular file, a pipe, a terminal, or `/dev/null`. Other devices may be endless.
///
/// # Errors
/// [`FileError::NotRegular`]; errors of the operating system.
pub fn open_stream(path: impl AsRef<Path>) -> io::Result<File> {
    let path = path.as_ref();
    let kind = fs::metadata(path)?.file_type();
    let file = File::open(path)?;
    if is_device(kind) && !file.is_terminal() && path != Path::new("/dev/null") {
        return Err(FileError::NotRegular { found: type_name(kind) }.into());
    }
    Ok(file)
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// Those of [`open`]; [`FileError::TooLarge`].
pub fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= limit {
        bytes.try_reserve_exact(length as usize).map_err(|_| io::ErrorKind::OutOfMemory)?;
        // the file may have grown
        file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    }
    match length.max(bytes.len() as u64) {
        found if found > limit => Err(FileError::TooLarge { found, limit }.into()),
        _ => Ok(bytes),
    }
}

/// Replaces a file atomically: writes a temporary file next to it, syncs it and renames it.
///
/// # Errors
/// Errors of the operating system; the file is then unchanged.
pub fn replace(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(bytes.as_ref())?;
    file.commit()
}

fn type_name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a pipe";
        }
        if kind.is_socket() {
            return "a socket";
        }
    }
    if is_device(kind) {
        return "a device";
    }
    if kind.is_dir() { "a folder" } else { "something else" }
}

#[cfg(unix)]
fn is_device(kind: FileType) -> bool {
    use std::os::unix::fs::FileTypeExt;
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: FileType) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(error: &io::Error) -> FileError {
        *error.get_ref().and_then(|error| error.downcast_ref()).unwrap_or_else(|| panic!("{error}"))
    }

    #[test]
    fn a_file_is_read_up_to_its_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "four").unwrap();
        assert_eq!(read(&path, 4).unwrap(), b"four");
        assert_eq!(cause(&read(&path, 3).unwrap_err()), FileError::TooLarge { found: 4, limit: 3 });
        assert_eq!(read(folder.path().join("b"), 4).unwrap_err().kind(), io::ErrorKind::NotFound);
        assert_eq!(open(folder.path()).unwrap_err().to_string(), "it is a folder, not a regular file");
    }

    #[cfg(unix)]
    #[test]
    fn streams_may_be_pipes_but_not_endless_devices() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let writer = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::write(pipe, "text")
        });
        assert_eq!(io::read_to_string(open_stream(&pipe).unwrap()).unwrap(), "text");
        writer.join().unwrap().unwrap();
        assert_eq!(io::read_to_string(open_stream("/dev/null").unwrap()).unwrap(), "");
        assert_eq!(cause(&open_stream("/dev/zero").unwrap_err()), FileError::NotRegular { found: "a device" });
    }

    #[cfg(unix)]
    #[test]
    fn files_that_are_not_regular_are_rejected_without_blocking() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, socket, link] = ["pipe", "socket", "link"].map(|name| folder.path().join(name));
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        std::os::unix::fs::symlink(&pipe, &link).unwrap();
        let device = Path::new("/dev/zero");
        for (path, found) in [(&*pipe, "a pipe"), (&link, "a pipe"), (&socket, "a socket"), (device, "a device")] {
            assert_eq!(cause(&open(path).unwrap_err()), FileError::NotRegular { found });
            assert_eq!(cause(&read(path, 9).unwrap_err()), FileError::NotRegular { found });
        }
    }
}
