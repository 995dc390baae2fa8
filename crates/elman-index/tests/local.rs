//! Local stores: persistence, concurrency, filters, and errors.

mod common;

use std::{fs, path::Path};

use common::{DIM, assert_holds, create, entry};
use elman_index::{Entry, IndexError, LocalStore, MAX_DIM, Metadata, Metric, StoreConfig, VectorStore};
use elman_sqlite::rusqlite::Connection;
use serde_json::{Value, json};

fn database(folder: &Path) -> std::path::PathBuf {
    folder.join("store.sqlite")
}

#[test]
fn a_store_can_be_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("created/with parents");
    drop(create(&inner, 5));
    let mut store = LocalStore::open(&inner).unwrap();
    assert_holds(&store, 5);
    assert_eq!((store.dim(), store.metric(), store.model()), (DIM, Metric::Cosine, &json!("model 1")));
    store.upsert(vec![entry(5)]).unwrap();
    // neither flushed nor closed
    assert_holds(&LocalStore::open_read_only(&inner).unwrap(), 6);
    let error = store.check_model(&json!("model 2")).unwrap_err().to_string();
    assert!(error.contains("was made with the model \"model 1\", not \"model 2\""), "{error}");
}

#[test]
fn writes_are_visible_to_other_connections() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = create(folder.path(), 3);
    let mut second = LocalStore::open(folder.path()).unwrap();
    let reader = LocalStore::open_read_only(folder.path()).unwrap();
    assert_holds(&reader, 3);
    second.upsert(vec![entry(3)]).unwrap();
    first.upsert(vec![entry(4)]).unwrap();
    for store in [&first, &second, &reader] {
        assert_holds(store, 5);
    }
    second.delete(&["id 4", "nowhere", "id 4"]).unwrap();
    // replace a vector that the reader has cached
    first.upsert(vec![Entry { vector: vec![9.0, 9.0, 9.0], ..entry(3) }]).unwrap();
    assert_eq!(reader.search(&[1.0, 1.0, 1.0], 1).unwrap()[0].id, "id 3");
    assert_eq!(reader.count().unwrap(), 4);
    assert_eq!(reader.ids(None).unwrap(), ["id 0", "id 1", "id 2", "id 3"]);
}

#[test]
fn concurrent_reads_see_whole_transactions() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = create(folder.path(), 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for start in (0..300).step_by(5) {
                writer.upsert((start..start + 5).map(entry).collect()).unwrap();
            }
        });
        let reader = LocalStore::open_read_only(folder.path()).unwrap();
        let mut previous = 0;
        while previous < 300 {
            let found = reader.search(&[1.0, 0.0, 0.0], usize::MAX).unwrap().len();
            assert!(found >= previous && found % 5 == 0, "{found} after {previous}");
            previous = found;
        }
    });
}

#[test]
fn a_rejected_upsert_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 2);
    let invalid = [
        Entry { vector: vec![1.0], ..entry(7) },
        Entry { vector: vec![1.0, f32::NAN, 0.0], ..entry(7) },
        Entry { vector: vec![0.0, -0.0, 0.0], ..entry(7) },
        Entry { id: String::new(), ..entry(7) },
        entry(6),
    ];
    for invalid in invalid {
        store.upsert(vec![entry(6), invalid]).unwrap_err();
        assert_holds(&store, 2);
    }
    let mut reader = LocalStore::open_read_only(folder.path()).unwrap();
    assert!(matches!(reader.upsert(vec![entry(2)]), Err(IndexError::ReadOnly { .. })));
    assert!(matches!(reader.delete(&["id 0"]), Err(IndexError::ReadOnly { .. })));
    assert_holds(&reader, 2);
}

#[test]
fn unusual_entries_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 0);
    let deep = (0..60).fold(json!(0), |inner, _| json!([inner]));
    let unusual = json!({"": "", "a\0b": [1, null], "deep": deep, "big": u64::MAX, "small": i64::MIN, "x": 0.1});
    let entries = vec![
        Entry::new("i".repeat(10_000), vec![f32::MIN_POSITIVE, -0.0, f32::MAX], ""),
        Entry::new("nul \0 'quote\" ü \u{1f980}", vec![0.0, 0.0, f32::MIN_POSITIVE / 2.0], "text \0 after"),
        Entry::new("c", vec![1.0, 2.0, 3.0], "t".repeat(1 << 20)).with_metadata(unusual.as_object().cloned().unwrap()),
    ];
    store.upsert(entries.clone()).unwrap();
    for entry in entries {
        assert_eq!(store.get(&entry.id).unwrap(), Some(entry.clone()));
        store.delete(&[&entry.id]).unwrap();
        assert_eq!(store.get(&entry.id).unwrap(), None);
    }
    assert_eq!(store.count().unwrap(), 0);
    assert_eq!(store.search(&[1.0, 0.0, 0.0], 9).unwrap(), []);
}

fn entry_with(id: &str, metadata: Value) -> Entry {
    Entry::new(id, vec![1.0, id.len() as f32, 0.0], id).with_metadata(metadata.as_object().cloned().unwrap())
}

#[test]
fn filters_return_exactly_the_matches() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 0);
    let unknown = "year = 1".parse().unwrap();
    assert_eq!(store.search_where(&[1.0; 3], 9, &unknown).unwrap(), [], "in an empty store, no field is unknown");
    store
        .upsert(vec![
            entry_with("a", json!({"year": 1999, "lang": "en", "by": {"name": "Ada"}})),
            entry_with("bb", json!({"year": 2012.5, "lang": "de", "draft": true})),
            entry_with("ccc", json!({"year": "2012", "lang": null, "tags": ["x"]})),
            Entry::new("dddd", vec![1.0, 4.0, 0.0], "without"),
        ])
        .unwrap();
    for (filter, ids) in [
        ("year > 1999", "bb"),
        ("year >= 1999", "a bb"),
        ("year = '2012'", "ccc"),
        ("year != 1999", "bb ccc dddd"),
        ("lang in ('en', 'fr', 1, true)", "a"),
        ("not lang in ('en')", "bb ccc dddd"),
        ("draft = true", "bb"),
        ("draft = true or by.name = 'Ada' and lang = 'en'", "a bb"),
        ("(draft = true or by.name = 'Ada') and not (lang = 'en')", "bb"),
        ("year < 0", ""),
    ] {
        let parsed = filter.parse().unwrap();
        let mut found: Vec<String> =
            store.search_where(&[1.0, 0.0, 0.0], 9, &parsed).unwrap().into_iter().map(|hit| hit.id).collect();
        found.sort();
        assert_eq!(found.join(" "), ids, "{filter}");
    }
    assert_eq!(store.ids(Some(&"year >= 1999".parse().unwrap())).unwrap(), ["a", "bb"]);
    assert!(matches!(store.ids(Some(&"yaer >= 1999".parse().unwrap())), Err(IndexError::UnknownField { .. })));
    // nearly the maximum size of a filter
    let long = vec!["year = 1999"; 4000].join(" or ");
    assert_eq!(store.ids(Some(&long.parse().unwrap())).unwrap(), ["a"]);
    assert_eq!(store.ids(Some(&long.replace(" or ", " and ").parse().unwrap())).unwrap(), ["a"]);
    let values = (0..9000).map(|year| year.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(store.ids(Some(&format!("year in ({values})").parse().unwrap())).unwrap(), ["a"]);
    let mut visited = Vec::new();
    store.visit(None, &mut |entry| visited.push(entry)).unwrap();
    assert!(visited.len() == 4 && visited.iter().all(|entry| store.get(&entry.id).unwrap().as_ref() == Some(entry)));
    visited.clear();
    store.visit(Some(&"draft = true".parse().unwrap()), &mut |entry| visited.push(entry)).unwrap();
    assert_eq!(visited.iter().map(|entry| &*entry.id).collect::<Vec<_>>(), ["bb"]);
    assert_eq!(store.fields().unwrap(), ["by.name", "draft", "lang", "year"]);
    // replaced metadata
    store.upsert(vec![entry_with("a", json!({"year": 2000}))]).unwrap();
    let of_1999 = "year = 1999".parse().unwrap();
    assert_eq!(store.search_where(&[1.0, 0.0, 0.0], 9, &of_1999).unwrap(), []);
    let error = store.search_where(&[1.0; 3], 9, &"yaer = 1 or year = 2".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "no entry has the field yaer: entries have draft, lang, year");
    // tags exists, but is not a scalar
    assert!(matches!(
        store.search_text("x", 9, Some(&"tags = 'x'".parse().unwrap())),
        Err(IndexError::UnknownField { .. })
    ));
}

#[test]
fn full_text_and_hybrid_search() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 0);
    let texts = ["The café closes early", "cats and dogs", "a dog, a dog, a dog", "nothing of it"];
    let entries = texts.iter().enumerate().map(|(n, text)| {
        let metadata = Metadata::from_iter([("n".to_string(), n.into())]);
        Entry::new(n.to_string(), vec![n as f32, 1.0, 0.0], *text).with_metadata(metadata)
    });
    store.upsert(entries.collect()).unwrap();
    let ids = |text: &str| -> Vec<String> {
        store.search_text(text, 9, None).unwrap().into_iter().map(|hit| hit.id).collect()
    };
    assert_eq!(ids("CAFE"), ["0"]);
    assert_eq!(ids("dog OR \"cats* NEAR("), ["2", "1"]);
    assert_eq!(ids("!?"), Vec::<String>::new());
    assert_eq!(ids(""), Vec::<String>::new());
    assert_eq!(store.search_text("dog", 9, Some(&"n < 2".parse().unwrap())).unwrap(), []);
    let scores: Vec<f32> = store.search_text("cats dog", 9, None).unwrap().iter().map(|hit| hit.score).collect();
    assert!(scores[0] > scores[1] && scores[1] > 0.0, "{scores:?}");
    // second in vector search, first in full-text search
    let hybrid = store.search_hybrid("dogs", &[0.5, 1.0, 0.0], 2, None).unwrap();
    assert_eq!(hybrid[0].id, "1");
    store.delete(&["1"]).unwrap();
    assert_eq!(store.search_text("dogs", 9, None).unwrap(), []);
}

#[test]
fn invalid_folders_and_configurations_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    for found in [LocalStore::open(folder.path()), LocalStore::open_read_only(folder.path().join("absent"))] {
        let error = found.unwrap_err();
        assert!(matches!(error, IndexError::NotAStore { .. }), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    fs::write(database(folder.path()), "a text, and a long one. ".repeat(1000)).unwrap();
    let error = LocalStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
    let error = LocalStore::create(folder.path(), StoreConfig::new(3)).unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }), "{error}");
    for dim in [0, MAX_DIM + 1] {
        let error = LocalStore::create(folder.path(), StoreConfig::new(dim)).unwrap_err();
        assert!(matches!(error, IndexError::Dimension { found, .. } if found == dim));
    }
    let long = StoreConfig::new(3).with_model("m".repeat(5000));
    assert!(matches!(LocalStore::create(folder.path(), long), Err(IndexError::ModelIdentity { .. })));
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(LocalStore::create(file.join("below"), StoreConfig::new(3)), Err(IndexError::Write { .. })));
}

#[test]
fn a_store_cannot_be_created_twice() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 2));
    let error = LocalStore::create(folder.path(), StoreConfig::new(3)).unwrap_err();
    assert!(matches!(error, IndexError::Exists { .. }), "{error}");
    assert_holds(&LocalStore::open(folder.path()).unwrap(), 2);
    // an empty database, left by a program that died
    let empty = tempfile::tempdir().unwrap();
    fs::write(database(empty.path()), "").unwrap();
    assert!(matches!(LocalStore::open(empty.path()), Err(IndexError::NotAStore { .. })));
    assert_holds(&create(empty.path(), 2), 2);
}

#[test]
fn a_newer_format_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 2));
    let connection = elman_sqlite::open(&database(folder.path()), elman_sqlite::Access::Write).unwrap();
    connection.pragma_update(None, "user_version", 7).unwrap();
    drop(connection);
    let error = LocalStore::open(folder.path()).unwrap_err().to_string();
    assert!(error.ends_with("has format version 7, and this program reads version 2: use a newer one"), "{error}");
}

#[test]
fn other_programs_can_read_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let _open = create(folder.path(), 4);
    let connection = Connection::open(database(folder.path())).unwrap();
    let (id, number, vector): (String, i64, Vec<u8>) = connection
        .query_row(
            "SELECT id, metadata ->> 'number', vector FROM entries JOIN words ON row = words.rowid WHERE words MATCH '3'",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .unwrap();
    assert_eq!((&*id, number, vector.len()), ("id 3", 3, 4 * DIM));
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

#[test]
fn a_flipped_bit_is_an_error_or_has_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    const COUNT: usize = 120;
    drop(create(folder.path(), COUNT));
    let path = database(folder.path());
    let bytes = fs::read(&path).unwrap();
    let answers = |store: &LocalStore| -> Result<Vec<Value>, IndexError> {
        let shown = |hits: Vec<elman_index::Hit>| {
            json!(hits.iter().map(|hit| (&hit.id, hit.score, &hit.text)).collect::<Vec<_>>())
        };
        Ok(vec![
            json!(store.count()?),
            json!(store.ids(None)?),
            shown(store.search(&[1.0, 2.0, 3.0], COUNT)?),
            shown(store.search_where(&[1.0, 2.0, 3.0], COUNT, &"number > 17 and not number = 90".parse()?)?),
            shown(store.search_text("text 5 ä", COUNT, None)?),
            shown(
                store
                    .get("id 77")?
                    .into_iter()
                    .map(|e| elman_index::Hit { id: e.id, score: e.vector[1], text: e.text, metadata: None })
                    .collect(),
            ),
        ])
    };
    let expected = answers(&LocalStore::open_read_only(folder.path()).unwrap()).unwrap();
    let (mut errors, mut unaffected) = (0, 0);
    for position in (0..bytes.len()).step_by(101).chain(0..120) {
        let mut flipped = bytes.clone();
        flipped[position] ^= 1 << (position % 8);
        fs::write(&path, &flipped).unwrap();
        match LocalStore::open_read_only(folder.path()).and_then(|store| answers(&store)) {
            Ok(found) => {
                assert_eq!(found, expected, "byte {position}");
                unaffected += 1;
            }
            Err(IndexError::Damaged { .. } | IndexError::NotAStore { .. } | IndexError::Version { .. }) => errors += 1,
            Err(error) => panic!("byte {position}: {error:?}"),
        }
    }
    assert!(errors > 300, "{errors} errors, {unaffected} without effect, {} bytes", bytes.len());
}

#[cfg(unix)]
#[test]
fn a_read_only_folder_can_be_read() {
    use std::{fs::Permissions, os::unix::fs::PermissionsExt};

    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 3));
    let mode = |mode: u32| {
        fs::set_permissions(database(folder.path()), Permissions::from_mode(mode & 0o666)).unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
    };
    mode(0o555);
    let root = fs::write(folder.path().join("probe"), "").is_ok();
    assert_holds(&LocalStore::open_read_only(folder.path()).unwrap(), 3);
    if root {
        eprintln!("skipped in part: a superuser can write everywhere");
    } else {
        let error = LocalStore::open(folder.path()).and_then(|mut store| store.upsert(vec![entry(3)])).unwrap_err();
        assert!(matches!(error, IndexError::Sqlite { .. }), "{error}");
    }
    mode(0o755);
    assert_holds(&LocalStore::open(folder.path()).unwrap(), 3);
}

/// A disk of 1 MB, if this user may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn new() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=1m", "none"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then_some(Self(folder))
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_loses_no_acknowledged_write() {
    let Some(disk) = SmallDisk::new() else {
        eprintln!("skipped: this user may not mount a disk");
        return;
    };
    let folder = disk.0.path().join("store");
    let mut store = create(&folder, 0);
    let mut acknowledged = 0;
    let error = loop {
        match store.upsert((acknowledged..acknowledged + 50).map(entry).collect()) {
            Ok(()) => acknowledged += 50,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, IndexError::DiskFull { .. }), "{error:?}");
    assert!(error.to_string().contains("disk full at"), "{error}");
    assert!(acknowledged > 100, "{acknowledged}");
    assert_holds(&store, acknowledged);
    drop(store);
    assert_holds(&LocalStore::open_read_only(&folder).unwrap(), acknowledged);
}

#[test]
fn is_send_sync_and_dyn_compatible() {
    fn shared<T: Send + Sync>(value: T) -> T {
        value
    }
    let folder = tempfile::tempdir().unwrap();
    let store: Box<dyn VectorStore> = Box::new(shared(create(folder.path(), 1)));
    assert_eq!(store.count().unwrap(), 1);
}
