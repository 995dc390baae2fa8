//! The database of a local store: creation, opening, schema.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    time::Duration,
};

use elman_sqlite::{
    Access, is_damaged,
    rusqlite::{self, Connection, ErrorCode, OptionalExtension, TransactionBehavior},
};
use serde_json::Value;

use crate::{config::StoreConfig, entry::MAX_DIM, error::IndexError, local::rows::Rows};

/// "elmn", the `application_id` of the database.
const APPLICATION_ID: i32 = 0x656c_6d6e;
/// Version of the schema below, in `user_version`.
const VERSION: i64 = 2;
/// The version that indexed words with SQLite's tokenizer, without folding, and updated them by triggers.
pub(super) const UNFOLDED: i64 = 1;
/// How long to wait for the lock of another writer.
const BUSY_TIMEOUT: Duration = Duration::from_secs(60);

/// - `store`: properties of the store; the `count` of entries, and how many were ever `removed`, replaced ones
///   included.
/// - `entries`: a replaced entry gets a new row, so that rows are immutable and can be cached.
/// - `facts`: all scalars of the metadata, for filters. `kind` is 0 for booleans, 1 for numbers, 2 for strings.
const TABLES: &str = "
CREATE TABLE store(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    vector BLOB NOT NULL,
    id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    metadata TEXT
);
CREATE TABLE facts(field TEXT, kind INTEGER, value, row INTEGER, PRIMARY KEY(field, kind, value, row)) WITHOUT ROWID;
";

/// Full-text index of the terms of each text, by row. [`entry_terms`](crate::words::entry_terms) folds them and
/// separates them by spaces, so the simplest tokenizer suffices.
const WORDS: &str = "
CREATE VIRTUAL TABLE words USING fts5(text, content='', contentless_delete=1, tokenize='ascii');
";

/// Removes the full-text index of version 1.
const DROP_WORDS: &str = "
DROP TRIGGER entry_added;
DROP TRIGGER entry_removed;
DROP TABLE words;
";

#[derive(Debug)]
pub(super) struct Database {
    path: PathBuf,
    connection: Connection,
    dim: usize,
}

impl Database {
    pub(super) fn create(folder: &Path, config: &StoreConfig) -> Result<Self, IndexError> {
        let model = config.checked_model()?.to_string();
        fs::create_dir_all(folder).map_err(|source| IndexError::Write { path: folder.into(), source })?;
        let mut database = Self { dim: config.dim, ..Self::connect(folder, Access::Create)? };
        let path = database.path.clone();
        let fail = |error| failure(&path, error);
        database.connection.pragma_update(None, "page_size", 8192).map_err(fail)?;
        elman_sqlite::identify(&database.connection).map_err(fail)?;
        database.connection.pragma_update(None, "journal_mode", "wal").map_err(fail)?;
        let transaction =
            database.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fail)?;
        // only an empty database, left by a killed program, may exist
        let tables: i64 =
            transaction.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(fail)?;
        if tables > 0 {
            return Err(IndexError::Exists { path: folder.into() });
        }
        transaction.execute_batch(TABLES).map_err(fail)?;
        transaction.execute_batch(WORDS).map_err(fail)?;
        let dim = config.dim as i64;
        let metric = config.metric.name();
        transaction
            .execute(
                "INSERT INTO store VALUES('d_embed', ?1), ('metric', ?2), ('model', ?3), ('count', 0), ('removed', 0)",
                (dim, metric, model),
            )
            .map_err(fail)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(fail)?;
        transaction.pragma_update(None, "user_version", VERSION).map_err(fail)?;
        transaction.commit().map_err(fail)?;
        // make the directory entry durable too; where folders cannot be opened, as on Windows, this is not needed
        if let Ok(folder) = File::open(folder) {
            folder.sync_all().map_err(|source| IndexError::Write { path, source })?;
        }
        Ok(database)
    }

    pub(super) fn open(folder: &Path, writable: bool) -> Result<(Self, StoreConfig), IndexError> {
        let path = path(folder);
        if !path.is_file() {
            return Err(IndexError::NotAStore { path: folder.into() });
        }
        let attempt = |access| {
            let mut database = Self::connect(folder, access)?;
            let config = database.config(folder)?;
            database.dim = config.dim;
            if writable {
                database.upgrade()?;
            }
            Ok((database, config))
        };
        match attempt(if writable { Access::Write } else { Access::Read }) {
            // A read-only folder has no room for the shared-memory file. Without a log, nobody is writing, and the
            // database can be opened as immutable.
            Err(IndexError::Sqlite { source, .. })
                if !writable
                    && matches!(source.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
                    && !path.with_extension("sqlite-wal").exists() =>
            {
                attempt(Access::Immutable)
            }
            result => result,
        }
    }

    fn connect(folder: &Path, access: Access) -> Result<Self, IndexError> {
        let path = path(folder);
        let connection = elman_sqlite::open(&path, access).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            // commits are durable when they return
            connection.pragma_update(None, "synchronous", "full")?;
            connection.set_prepared_statement_cache_capacity(32);
            Ok(connection)
        });
        match connection {
            Ok(connection) => Ok(Self { path, connection, dim: 0 }),
            Err(error) => Err(failure(&path, error)),
        }
    }

    /// Reads the configuration of the store.
    fn config(&self, folder: &Path) -> Result<StoreConfig, IndexError> {
        let path = &self.path;
        let fail = |error| failure(path, error);
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(fail);
        let (application, version) = (number("application_id")?, number("user_version")?);
        if application != i64::from(APPLICATION_ID) {
            return Err(IndexError::NotAStore { path: folder.into() });
        }
        if !(UNFOLDED..=VERSION).contains(&version) {
            return Err(IndexError::Version { path: path.clone(), expected: VERSION as u64, found: version as u64 });
        }
        let (dim, metric, model): (i64, String, String) = self
            .connection
            .query_row(
                "SELECT (SELECT value FROM store WHERE name = 'd_embed'), (SELECT value FROM store WHERE name = 'metric'),
                        (SELECT value FROM store WHERE name = 'model')",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .map_err(fail)?;
        let dim = usize::try_from(dim).ok().filter(|&dim| (1..=MAX_DIM).contains(&dim));
        let model: Option<Value> = serde_json::from_str(&model).ok();
        match (dim, metric.parse(), model) {
            (Some(dim), Ok(metric), Some(model)) => Ok(StoreConfig { dim, metric, model }),
            _ => Err(IndexError::Contradiction { path: path.clone(), what: "the table 'store' is invalid" }),
        }
    }

    /// Rebuilds the full-text index of version 1.
    fn upgrade(&mut self) -> Result<(), IndexError> {
        if self.read(|rows| rows.version())? == VERSION {
            return Ok(());
        }
        self.write(|rows| {
            if rows.version()? == VERSION {
                return Ok(());
            }
            let run = |sql| rows.connection.execute_batch(sql).map_err(|error| rows.fail(error));
            run(DROP_WORDS)?;
            run(WORDS)?;
            rows.index_all_texts()?;
            rows.connection.pragma_update(None, "user_version", VERSION).map_err(|error| rows.fail(error))
        })
    }

    /// Runs `read` in a transaction: all its reads see the same state.
    pub(super) fn read<T>(&mut self, read: impl FnOnce(&Rows<'_>) -> Result<T, IndexError>) -> Result<T, IndexError> {
        let transaction = self.connection.transaction().map_err(|error| failure(&self.path, error))?;
        read(&Rows { connection: &transaction, path: &self.path, dim: self.dim })
    }

    /// Runs `change` in a transaction, which is rolled back on error.
    pub(super) fn write<T>(
        &mut self,
        change: impl FnOnce(&Rows<'_>) -> Result<T, IndexError>,
    ) -> Result<T, IndexError> {
        let fail = |error| failure(&self.path, error);
        let transaction = elman_sqlite::transaction(&mut self.connection).map_err(fail)?;
        let result = change(&Rows { connection: &transaction, path: &self.path, dim: self.dim })?;
        transaction.commit().map_err(fail)?;
        Ok(result)
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("store.sqlite")
}

/// Maps an error of SQLite.
pub(super) fn failure(path: &Path, source: rusqlite::Error) -> IndexError {
    let path = path.to_path_buf();
    match source.sqlite_error_code() {
        _ if is_damaged(&source) => IndexError::Damaged { path, source },
        Some(ErrorCode::DiskFull) => IndexError::DiskFull { path },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => IndexError::Locked { path },
        _ => match source {
            // a column has another type than this crate writes
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
            | rusqlite::Error::QueryReturnedNoRows => IndexError::Damaged { path, source },
            source => IndexError::Sqlite { path, source },
        },
    }
}

/// Maps the absence of a row to `None`.
pub(super) fn optional<T>(path: &Path, result: rusqlite::Result<T>) -> Result<Option<T>, IndexError> {
    result.optional().map_err(|error| failure(path, error))
}
