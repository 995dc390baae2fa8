//! SQLite databases with a checksum on every page.
//!
//! SQLite trusts the disk: a bit that flips in a page becomes a wrong answer. [`open`] puts a layer between SQLite and
//! the operating system that writes a CRC-32 into the last 4 bytes of each page, which SQLite leaves free when it is
//! asked to, and checks it whenever a page is read. A page that is not as it was written gives
//! [`is_damaged`] errors.
//!
//! Other programs may read such a database, and move what is in its log into it, as SQLite does when a connection is
//! closed: pages come without checksums from there, with zeros, and are not checked. Other programs should not write it:
//! they do not know of the checksums, so a page that they change has a wrong one.
//!
//! Not covered: the write-ahead log that a crash leaves behind. SQLite has checksums of its own there, and takes the
//! first wrong one for the end of the log.
//!
//! ```
//! # let folder = tempfile::tempdir().unwrap();
//! # let path = folder.path().join("a.sqlite");
//! let connection = elman_sqlite::open(&path, elman_sqlite::Access::Create)?;
//! connection.execute_batch("CREATE TABLE greetings(text); INSERT INTO greetings VALUES('hello')")?;
//! let text: String = connection.query_row("SELECT text FROM greetings", [], |row| row.get(0))?;
//! assert_eq!(text, "hello");
//! # Ok::<(), rusqlite::Error>(())
//! ```

mod vfs;

use std::path::Path;

pub use rusqlite;
use rusqlite::{Connection, Error, OpenFlags, ffi};

/// What may be done with a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read it.
    Read,
    /// Read it, where nobody can write it and no file can be made beside it, as on a read-only disk.
    Immutable,
    /// Read and write it.
    Write,
    /// Read and write it; it is made if it is not there.
    Create,
}

/// Opens a database whose pages have checksums.
///
/// The connection is not safe to use from two threads at once, which Rust sees to, and takes `path` as a file's name
/// whatever it looks like.
///
/// # Errors
/// As SQLite has it, above all if the file is not there, may not be opened, or is no database.
pub fn open(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let name = vfs::name()?;
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let (flags, path) = match access {
        Access::Read => (flags | OpenFlags::SQLITE_OPEN_READ_ONLY, path.to_path_buf()),
        Access::Immutable => {
            (flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, immutable_uri(path).into())
        }
        Access::Write => (flags | OpenFlags::SQLITE_OPEN_READ_WRITE, path.to_path_buf()),
        Access::Create => {
            (flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, path.to_path_buf())
        }
    };
    let connection = Connection::open_with_flags_and_vfs(path, flags, name)?;
    if access == Access::Create {
        vfs::reserve(&connection)?;
    }
    Ok(connection)
}

/// Whether an error says that a database is not as it was written: a checksum that does not fit, or what SQLite itself
/// found to be impossible.
pub fn is_damaged(error: &Error) -> bool {
    let Some(error) = error.sqlite_error() else { return false };
    matches!(error.extended_code & 0xff, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB)
        || error.extended_code == ffi::SQLITE_IOERR_DATA
}

/// The URI of a file that nobody changes.
fn immutable_uri(path: &Path) -> String {
    let escaped: String = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .map(|&byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' => char::from(byte).to_string(),
            _ => format!("%{byte:02x}"),
        })
        .collect();
    format!("file:{escaped}?immutable=1")
}
