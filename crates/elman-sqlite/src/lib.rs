//! SQLite databases with a checksum on every page.
//!
//! SQLite trusts the disk: a bit that flips in a page becomes a wrong answer. [`open`] puts a layer between SQLite and
//! the operating system that writes a CRC-32 into the last 4 bytes of each page, which SQLite leaves free when it is
//! asked to, and checks it whenever a page is read. A page that is not as it was written gives
//! [`is_damaged`] errors.
//!
//! Other programs may read such a database, and move what is in its log into it, as SQLite does when a connection is
//! closed: pages come without checksums from there, with zeros. A page may have none only where the first page has none
//! either, which each [`transaction`] writes too; elsewhere it was zeroed, and is damaged. Where the first has none, those
//! without are not checked until the database is next opened for writing, which gives them theirs. Other programs should
//! not write it: they do not know of the checksums, so a page that they change has a wrong one.
//!
//! The write-ahead log that a crash leaves behind has checksums of SQLite's own. Where one is wrong and later changes are
//! behind it, or where it is the log of another database that [`identify`] was called for, it is an error too.
//!
//! Not covered: a page that the disk did not write, and that is still what it was before, all of it; a log that was cut
//! off or whose last change is damaged, which cannot be told from one that was not written to its end.
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

mod log;
mod vfs;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

pub use rusqlite;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Transaction, TransactionBehavior, ffi};

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
    let (flags, name_of_file) = match access {
        Access::Read => (flags | OpenFlags::SQLITE_OPEN_READ_ONLY, path.to_path_buf()),
        Access::Immutable => {
            (flags | OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI, immutable_uri(path).into())
        }
        Access::Write => (flags | OpenFlags::SQLITE_OPEN_READ_WRITE, path.to_path_buf()),
        Access::Create => {
            (flags | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE, path.to_path_buf())
        }
    };
    let connection = Connection::open_with_flags_and_vfs(name_of_file, flags, name)?;
    if access == Access::Create {
        vfs::reserve(&connection)?;
    }
    let log = log_of(path);
    if let Some(damage) = log::damage(&log, || vfs::schema_version(&connection)) {
        let code = ffi::Error::new(ffi::SQLITE_CORRUPT);
        return Err(Error::SqliteFailure(code, Some(damage.into())));
    }
    if matches!(access, Access::Create | Access::Write) && vfs::is_unsealed(&connection)? {
        seal(&connection, &log)?;
    }
    Ok(connection)
}

/// Gives a new database a mark that others do not have, so that their logs are not taken for its own: SQLite counts changes
/// to the schema, from a number at random. Only before it has a log.
///
/// # Errors
/// As SQLite has it.
pub fn identify(connection: &Connection) -> rusqlite::Result<()> {
    let schema: i64 = connection.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if schema == 0 {
        let mark: i64 = connection.query_row("SELECT 1 + abs(random() % 2000000000)", [], |row| row.get(0))?;
        connection.pragma_update(None, "schema_version", mark)?;
    }
    Ok(())
}

/// Begins to write: waits for other writers as the connection's timeout has it.
///
/// Whatever is changed, the first page is too, so that it tells when another program moved the change into the database.
///
/// # Errors
/// If another writer does not end, or as SQLite has it.
pub fn transaction(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    transaction.pragma_update(None, "user_version", version)?;
    Ok(transaction)
}

/// Gives checksums to the pages that other programs wrote without; not while others read or write, but the next time.
fn seal(connection: &Connection, log: &Path) -> rusqlite::Result<()> {
    let is_busy: bool = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    if is_busy {
        return Ok(());
    }
    let transaction = match Transaction::new_unchecked(connection, TransactionBehavior::Immediate) {
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => return Ok(()),
        begun => begun?,
    };
    // nobody can add to the log while this lasts, and where nothing is in it, nobody writes to the file
    if log_is_empty(log) {
        vfs::seal(connection)?;
    }
    transaction.rollback()
}

/// Where the log of a database is.
fn log_of(path: &Path) -> PathBuf {
    let mut log = path.as_os_str().to_os_string();
    log.push("-wal");
    log.into()
}

fn log_is_empty(log: &Path) -> bool {
    match fs::metadata(log) {
        Ok(file) => file.len() == 0,
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
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
