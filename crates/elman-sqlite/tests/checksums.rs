//! A database with checksums beside one that SQLite alone reads and writes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use elman_sqlite::{
    Access, is_damaged, open,
    rusqlite::{Connection, Error},
};
use tempfile::TempDir;

const ROWS: i64 = 3000;

/// A database of some hundred pages, of every kind that SQLite has: tables, indexes, pages of long values, free pages.
fn made() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.sqlite");
    let connection = open(&path, Access::Create).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection
        .execute_batch(
            "CREATE TABLE numbers(n INTEGER PRIMARY KEY, text TEXT); CREATE INDEX texts ON numbers(text); BEGIN",
        )
        .unwrap();
    for n in 0..ROWS {
        let text = format!("{n:08}").repeat(if n % 500 == 0 { 2000 } else { 5 });
        connection.execute("INSERT INTO numbers VALUES(?1, ?2)", (n, text)).unwrap();
    }
    connection.execute_batch("COMMIT; CREATE TABLE gone AS SELECT * FROM numbers; DROP TABLE gone").unwrap();
    connection.close().unwrap();
    (folder, path)
}

/// Everything in the database, read by the table and by the index.
fn content(connection: &Connection) -> Result<Vec<(i64, String)>, Error> {
    let mut all = Vec::new();
    for order in ["n", "text"] {
        let mut statement = connection.prepare(&format!("SELECT n, text FROM numbers ORDER BY {order}"))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        all.extend(rows.collect::<Result<Vec<_>, _>>()?);
    }
    for n in [0, 1, 1000, ROWS - 1] {
        let text = connection.query_row("SELECT text FROM numbers WHERE n = ?1", [n], |row| row.get(0))?;
        all.push((n, text));
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<(i64, String)>, Error> {
    content(&open(path, Access::Read)?)
}

#[test]
fn what_is_written_is_read() {
    let (_folder, path) = made();
    let content = read(&path).unwrap();
    assert_eq!(content.len(), 2 * ROWS as usize + 4);
    assert_eq!(content[7], (7, "00000007".repeat(5)));
    let check: String =
        open(&path, Access::Read).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_flipped_byte_anywhere_is_an_error_or_changes_nothing() {
    let (_folder, path) = made();
    let (bytes, right) = (fs::read(&path).unwrap(), read(&path).unwrap());
    assert!(bytes.len() > 300_000);
    let (mut damaged, mut harmless) = (0, 0);
    for region in (0..bytes.len()).step_by(257).chain(0..100) {
        let mut flipped = bytes.clone();
        flipped[region] ^= 1 << (region % 8);
        fs::write(&path, &flipped).unwrap();
        match read(&path) {
            // a free page, which nobody reads
            Ok(content) if content == right => harmless += 1,
            Ok(_) => panic!("byte {region}: a wrong answer"),
            Err(error) => {
                assert!(is_damaged(&error), "byte {region}: {error:?}");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 500 && harmless > 10, "{damaged} and {harmless}");
}

#[test]
fn pages_that_change_places_are_noticed() {
    let (_folder, path) = made();
    let mut bytes = fs::read(&path).unwrap();
    let (first, second) = bytes.split_at_mut(20 * 4096);
    first[10 * 4096..11 * 4096].swap_with_slice(&mut second[..4096]);
    fs::write(&path, &bytes).unwrap();
    assert!(is_damaged(&read(&path).unwrap_err()));
}

#[test]
fn others_may_read_and_empty_the_log() {
    let (_folder, path) = made();
    let ours = open(&path, Access::Write).unwrap();
    ours.execute("INSERT INTO numbers VALUES(-1, 'ours')", []).unwrap();
    ours.execute("UPDATE numbers SET text = 'changed' WHERE n = 1000", []).unwrap();
    let other = Connection::open(&path).unwrap();
    assert_eq!(content(&other).unwrap().len(), 2 * ROWS as usize + 6);
    let moved: i64 = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(2)).unwrap();
    assert_eq!((moved, path.with_extension("sqlite-wal").metadata().unwrap().len()), (0, 0));
    ours.execute("UPDATE numbers SET text = 'again' WHERE n = 1000", []).unwrap();
    drop((ours, other));
    let all = read(&path).unwrap();
    assert_eq!((&all[0], &all[1001]), (&(-1, "ours".into()), &(1000, "again".into())));
    let other = Connection::open(&path).unwrap();
    assert_eq!(other.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
}

#[test]
fn what_others_write_is_noticed() {
    let (_folder, path) = made();
    let other = Connection::open(&path).unwrap();
    other.execute("UPDATE numbers SET text = 'theirs' WHERE n = 1000", []).unwrap();
    drop(other);
    assert!(is_damaged(&read(&path).unwrap_err()));
}

#[test]
fn what_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    assert!(open(&absent, Access::Read).is_err());
    assert!(!absent.exists());
    let text = folder.path().join("text");
    fs::write(&text, "no database at all ".repeat(1000)).unwrap();
    let error = read(&text).unwrap_err();
    assert!(is_damaged(&error), "{error:?}");
    // one without room for checksums
    let plain = folder.path().join("plain");
    Connection::open(&plain).unwrap().execute_batch("CREATE TABLE numbers(n, text)").unwrap();
    assert!(is_damaged(&read(&plain).unwrap_err()) || read(&plain).is_err());
}

#[test]
fn names_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% ?immutable=0#é.sqlite");
    open(&path, Access::Create).unwrap().execute_batch("CREATE TABLE numbers(n, text)").unwrap();
    for access in [Access::Read, Access::Immutable, Access::Write] {
        let connection = open(&path, access).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }
}
