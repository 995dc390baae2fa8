//! SQLite databases with a checksum on every page.
//!
//! SQLite trusts the disk: a flipped bit in a page becomes a wrong result. [`open`] uses a virtual file system (VFS)
//! that writes a CRC-32 into the last 4 bytes of each page, which SQLite reserves on request, and verifies it whenever
//! a page is read. A corrupt page is an error for which [`is_damaged`] is true.
//!
//! Other programs can read such a database, and checkpoint its write-ahead log, as SQLite does when the last connection
//! is closed. The pages that they checkpoint have zeros instead of checksums. A page may lack its checksum only if the
//! first page, which every [`transaction`] writes, lacks it too; otherwise the page was zeroed, and is corrupt. If the
//! first page lacks its checksum, pages without checksums are not verified until the database is next opened for
//! writing, which adds the checksums. Other programs should not write the database: they do not update checksums, so
//! the pages that they change are reported as corrupt.
//!
//! The write-ahead log that a crash leaves behind has SQLite's own checksums. It is an error if one is wrong and later
//! changes follow, or if the log belongs to another database that [`identify`] was called for.
//!
//! Not detected: a lost write of a whole page, which leaves its previous content; a log that is truncated, or whose
//! last change is corrupt, which looks like an incomplete write.
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
mod wal;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use rusqlite;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Transaction, TransactionBehavior, ffi};

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read-only.
    Read,
    /// Read-only, for a file that cannot change in a folder that cannot be written, as on a read-only disk.
    Immutable,
    /// Read and write.
    Write,
    /// Read and write; creates the database if it does not exist.
    Create,
}

/// Opens a database whose pages have checksums.
///
/// The connection uses no mutex, because Rust prevents concurrent use. `path` is always a file name, even if it looks
/// like a URI.
///
/// # Errors
/// Errors of SQLite: the file does not exist, cannot be opened, or is not a database; or the write-ahead log is
/// corrupt.
pub fn open(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let vfs_name = vfs::register()?;
    let flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
    let (flags, file_name) = match access {
        Access::Read => (flags | OpenFlags::SQLITE_OPEN_READ_ONLY, path.to_path_buf()),
        Access::Immutable => {
            (flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, immutable_uri(path).into())
        }
        Access::Write => (flags | OpenFlags::SQLITE_OPEN_READ_WRITE, path.to_path_buf()),
        Access::Create => {
            (flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, path.to_path_buf())
        }
    };
    let connection = Connection::open_with_flags_and_vfs(file_name, flags, vfs_name)?;
    if access == Access::Create {
        vfs::reserve(&connection)?;
    }
    let wal = wal_path(path);
    if let Some(damage) = wal::damage(&wal, || vfs::schema_version(&connection)) {
        let code = ffi::Error::new(ffi::SQLITE_CORRUPT);
        return Err(Error::SqliteFailure(code, Some(damage.into())));
    }
    if matches!(access, Access::Create | Access::Write) && vfs::lacks_checksums(&connection)? {
        add_missing_checksums(&connection, &wal)?;
    }
    Ok(connection)
}

/// Sets the schema version of a new database to a random number, so that the write-ahead log of another database is
/// detected. SQLite increments it with each change of the schema. Must be called before the database has a log.
///
/// # Errors
/// Errors of SQLite.
pub fn identify(connection: &Connection) -> rusqlite::Result<()> {
    let schema: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if schema == 0 {
        let start: i64 = connection.query_row("SELECT 1 + abs(random() % 2000000000)", [], |row| row.get(0))?;
        connection.pragma_update(None, "schema_version", start)?;
    }
    Ok(())
}

/// Begins a write transaction. Waits for other writers up to the busy timeout of the connection.
///
/// Always writes the first page, whose checksum then shows whether another program checkpointed the change.
///
/// # Errors
/// Errors of SQLite, such as a lock of another writer beyond the timeout.
pub fn transaction(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    transaction.pragma_update(None, "user_version", version)?;
    Ok(transaction)
}

/// Adds the checksums of pages that other programs checkpointed. If the database is in use, this is left to the next
/// `open`.
fn add_missing_checksums(connection: &Connection, wal: &Path) -> rusqlite::Result<()> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Ok(());
    }
    let transaction = match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return Ok(()),
        result => result?,
    };
    // the transaction prevents writes to the log, and while the log is empty, nobody writes to the file
    if wal_is_empty(wal) {
        vfs::add_missing_checksums(connection)?;
    }
    transaction.rollback()
}

/// Path of the write-ahead log of a database.
fn wal_path(path: &Path) -> PathBuf {
    let mut wal = path.as_os_str().to_os_string();
    wal.push("-wal");
    wal.into()
}

fn wal_is_empty(wal: &Path) -> bool {
    match fs::metadata(wal) {
        Ok(file) => file.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// Whether an error means that a database is corrupt: a checksum is wrong, or SQLite found an inconsistency.
pub fn is_damaged(error: &Error) -> bool {
    let Some(error) = error.sqlite_error() else { return false };
    matches!(error.extended_code & 0xff, ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB)
        || error.extended_code == ffi::SQLITE_IOERR_DATA
}

/// The URI that opens a file as immutable.
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
