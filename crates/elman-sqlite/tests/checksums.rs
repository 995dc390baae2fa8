//! Databases with checksums: corruption is detected, and other programs can read them.

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

/// Creates a database of some hundred pages, of all kinds of SQLite: tables, indexes, overflow pages, free pages.
fn create_database() -> (TempDir, PathBuf) {
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

/// The whole content of the database, read from the table and from the index.
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
fn contents_round_trip() {
    let (_folder, path) = create_database();
    let content = read(&path).unwrap();
    assert_eq!(content.len(), 2 * ROWS as usize + 4);
    assert_eq!(content[7], (7, "00000007".repeat(5)));
    let check: String =
        open(&path, Access::Read).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_flipped_bit_is_an_error_or_has_no_effect() {
    let (_folder, path) = create_database();
    let (bytes, expected) = (fs::read(&path).unwrap(), read(&path).unwrap());
    assert!(bytes.len() > 300_000);
    let (mut damaged, mut unaffected) = (0, 0);
    for region in (0..bytes.len()).step_by(257).chain(0..100) {
        let mut flipped = bytes.clone();
        flipped[region] ^= 1 << (region % 8);
        fs::write(&path, &flipped).unwrap();
        match read(&path) {
            // a free page, which is not read
            Ok(content) if content == expected => unaffected += 1,
            Ok(_) => panic!("byte {region}: wrong content"),
            Err(error) => {
                assert!(is_damaged(&error), "byte {region}: {error:?}");
                damaged += 1;
            }
        }
    }
    assert!(damaged > 500 && unaffected > 10, "{damaged} and {unaffected}");
}

#[test]
fn a_zeroed_block_is_an_error_or_has_no_effect() {
    let (_folder, path) = create_database();
    let (bytes, expected) = (fs::read(&path).unwrap(), read(&path).unwrap());
    for size in [512, 4096, 8192] {
        let (mut damaged, mut unaffected) = (0, 0);
        // only every 17th block of the overflow pages, which are most of the file
        for start in (0..bytes.len()).step_by(size).filter(|start| *start < 60_000 || (start / size) % 17 == 0) {
            let mut zeroed = bytes.clone();
            let end = bytes.len().min(start + size);
            zeroed[start..end].fill(0);
            fs::write(&path, &zeroed).unwrap();
            match read(&path) {
                // free pages and unused parts of pages
                Ok(content) if content == expected => unaffected += 1,
                Ok(_) => panic!("{size} bytes at {start}: wrong content"),
                Err(error) => {
                    assert!(is_damaged(&error), "{size} bytes at {start}: {error:?}");
                    damaged += 1;
                }
            }
        }
        assert!(damaged > 10 && unaffected > 1, "{size}: {damaged} and {unaffected}");
    }
}

#[test]
fn a_torn_page_is_detected() {
    let (_folder, path) = create_database();
    let old = fs::read(&path).unwrap();
    let mut connection = open(&path, Access::Write).unwrap();
    let transaction = elman_sqlite::transaction(&mut connection).unwrap();
    transaction.execute("UPDATE numbers SET text = replace(text, '1', '2')", []).unwrap();
    transaction.commit().unwrap();
    connection.close().unwrap();
    let (new, expected) = (fs::read(&path).unwrap(), read(&path).unwrap());
    let changed: Vec<usize> =
        (0..old.len()).step_by(4096).filter(|&page| old[page..page + 4096] != new[page..page + 4096]).collect();
    assert!(changed.len() > 20);
    for (n, page) in changed.into_iter().enumerate() {
        let mut torn = new.clone();
        let half = page + 2048 * (n % 2);
        torn[half..half + 2048].copy_from_slice(&old[half..half + 2048]);
        fs::write(&path, &torn).unwrap();
        match read(&path) {
            Ok(content) => assert_eq!(content, expected, "page at {page}"),
            Err(error) => assert!(is_damaged(&error), "page at {page}: {error:?}"),
        }
    }
}

#[test]
fn a_truncated_file_is_detected() {
    let (_folder, path) = create_database();
    let (bytes, expected) = (fs::read(&path).unwrap(), read(&path).unwrap());
    for length in
        [16, 99, 100, 512, 4096, 5000, bytes.len() / 2, bytes.len() - 4096, bytes.len() - 100, bytes.len() - 1]
    {
        fs::write(&path, &bytes[..length]).unwrap();
        match read(&path) {
            // the last page is free
            Ok(content) => {
                assert_eq!((content, length > bytes.len() - 4096), (expected.clone(), true), "{length} bytes")
            }
            Err(error) => assert!(is_damaged(&error), "{length} bytes: {error:?}"),
        }
    }
    fs::write(&path, [&bytes[..], &[0xa5; 5000]].concat()).unwrap();
    assert_eq!(read(&path).unwrap(), expected, "bytes after the last page are not read");
}

#[test]
fn swapped_pages_are_detected() {
    let (_folder, path) = create_database();
    let mut bytes = fs::read(&path).unwrap();
    let (first, second) = bytes.split_at_mut(20 * 4096);
    first[10 * 4096..11 * 4096].swap_with_slice(&mut second[..4096]);
    fs::write(&path, &bytes).unwrap();
    assert!(is_damaged(&read(&path).unwrap_err()));
}

/// The pages without checksums.
fn pages_without_checksum(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).unwrap();
    let none = |page: &[u8]| page.ends_with(&[0; 4]);
    bytes.chunks(4096).enumerate().filter(|(_, page)| none(page)).map(|(number, _)| number).collect()
}

#[test]
fn other_programs_can_read_and_checkpoint() {
    let (_folder, path) = create_database();
    assert_eq!(pages_without_checksum(&path), [0; 0]);
    let mut ours = open(&path, Access::Write).unwrap();
    let change = |ours: &mut Connection, text: &str| {
        let transaction = elman_sqlite::transaction(ours).unwrap();
        transaction.execute("UPDATE numbers SET text = ?1 WHERE n = 1000", [text]).unwrap();
        transaction.commit().unwrap();
    };
    change(&mut ours, "ours");
    let other = Connection::open(&path).unwrap();
    assert_eq!(content(&other).unwrap()[1000], (1000, "ours".into()));
    let moved: i64 = other.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(2)).unwrap();
    assert_eq!((moved, path.with_extension("sqlite-wal").metadata().unwrap().len()), (0, 0));
    let theirs = pages_without_checksum(&path);
    assert!(theirs.len() > 1 && theirs[0] == 0, "{theirs:?}");
    change(&mut ours, "again");
    drop((ours, other));
    assert!(pages_without_checksum(&path).len() > 1, "pages that were not written since");
    assert_eq!(read(&path).unwrap()[1000], (1000, "again".into()));
    // opening for writing adds the checksums
    drop(open(&path, Access::Write).unwrap());
    assert_eq!(pages_without_checksum(&path), [0; 0]);
    let all = read(&path).unwrap();
    assert_eq!((&all[1000], all.len()), (&(1000, "again".into()), 2 * ROWS as usize + 4));
    let mut zeroed = fs::read(&path).unwrap();
    zeroed[theirs[1] * 4096 + 2048..][..2048].fill(0);
    fs::write(&path, zeroed).unwrap();
    assert!(is_damaged(&read(&path).unwrap_err()));
}

#[test]
fn writes_of_other_programs_are_detected() {
    let (_folder, path) = create_database();
    let other = Connection::open(&path).unwrap();
    other.execute("UPDATE numbers SET text = 'theirs' WHERE n = 1000", []).unwrap();
    drop(other);
    assert!(is_damaged(&read(&path).unwrap_err()));
}

#[test]
fn other_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent");
    assert!(open(&absent, Access::Read).is_err());
    assert!(!absent.exists());
    let text = folder.path().join("text");
    fs::write(&text, "no database at all ".repeat(1000)).unwrap();
    let error = read(&text).unwrap_err();
    assert!(is_damaged(&error), "{error:?}");
    // a database without room for checksums
    let plain = folder.path().join("plain");
    Connection::open(&plain).unwrap().execute_batch("CREATE TABLE numbers(n, text)").unwrap();
    assert!(is_damaged(&read(&plain).unwrap_err()) || read(&plain).is_err());
}

#[test]
fn paths_are_not_interpreted_as_uris() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("50% ?immutable=0#é.sqlite");
    open(&path, Access::Create).unwrap().execute_batch("CREATE TABLE numbers(n, text)").unwrap();
    for access in [Access::Read, Access::Immutable, Access::Write] {
        let connection = open(&path, access).unwrap();
        let count: i64 = connection.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0);
    }
}
