//! Full-text search in scripts without spaces, and of equivalent Unicode forms.

use std::path::Path;

use elman_index::{Entry, LocalStore, StoreConfig, VectorStore};
use elman_sqlite::{Access, rusqlite::Connection};

fn ids(store: &LocalStore, text: &str) -> Vec<String> {
    store.search_text(text, 9, None).unwrap().into_iter().map(|hit| hit.id).collect()
}

fn create_store(folder: &Path, texts: &[&str]) -> LocalStore {
    let mut store = LocalStore::create(folder, StoreConfig::new(2)).unwrap();
    let entries = texts.iter().enumerate();
    store.upsert(entries.map(|(n, text)| Entry::new(n.to_string(), vec![1.0, n as f32], *text)).collect()).unwrap();
    store
}

#[test]
fn scripts_without_spaces_are_searched_by_bigrams() {
    let folder = tempfile::tempdir().unwrap();
    let store = create_store(
        folder.path(),
        &[
            "财务部说停车场的收据五月到期",
            "今天的停车很贵，编号7。",
            "駐車場の領収書は五月までです",
            "영수증은 오월에 만료됩니다",
            "ใบเสร็จค่าจอดรถหมดอายุในเดือนพฤษภาคม",
            "ໃບຮັບເງິນໝົດອາຍຸໃນເດືອນພຶດສະພາ",
            "បង្កាន់ដៃផុតកំណត់នៅខែឧសភា",
            "ပြေစာသည် မေလတွင် သက်တမ်းကုန်သည်",
            "iPhone 收据 2024",
        ],
    );
    for (query, first) in [
        ("收据", &["8", "0"][..]),
        ("停车场", &["0", "1"]),
        ("贵", &["1"]),
        ("領収書", &["2"]),
        ("영수증", &["3"]),
        ("จอดรถ", &["4"]),
        ("ເດືອນ", &["5"]),
        ("ឧសភា", &["6"]),
        ("သက်တမ်း", &["7"]),
        ("iPhone 收据 2024", &["8", "0"]),
        ("\"收据\" AND (iphone* OR", &["8", "0"]),
        ("ＩＰＨＯＮＥ", &["8"]),
    ] {
        assert_eq!(ids(&store, query), first, "{query}");
    }
}

#[test]
fn equivalent_unicode_forms_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create_store(folder.path(), &["Die Straße in Łódź, Müller", "ｶﾞﾗｽの窓", "ΟΔΌΣ 12", "हिन्दी भाषा"]);
    for (query, id) in [
        ("STRASSE", "0"),
        ("strasse", "0"),
        ("mu\u{308}ller", "0"),
        ("ＭÜＬＬＥＲ", "0"),
        ("ガラス", "1"),
        ("カ\u{3099}ラス", "1"),
        ("οδός", "2"),
        ("οδο\u{301}ς", "2"),
        ("１２", "2"),
        ("हिन्दी", "3"),
    ] {
        assert_eq!(ids(&store, query), [id], "{query}");
    }
    assert!(ids(&store, "ह").is_empty(), "parts of words are not found");
    store.upsert(vec![Entry::new("0", vec![1.0, 1.0], "gone")]).unwrap();
    store.delete(&["1"]).unwrap();
    assert!(ids(&store, "strasse ガラス").is_empty());
    assert_eq!(ids(&store, "GONE"), ["0"]);
}

#[test]
fn any_query_is_valid() {
    let folder = tempfile::tempdir().unwrap();
    let store = create_store(folder.path(), &["a AND b OR NOT near", "text: \"quoted\" (x*)"]);
    for query in [
        "AND",
        "OR OR",
        "NOT",
        "NEAR(a b, 2)",
        "\"",
        "\"a",
        "a\"b\"\"c",
        "(",
        ")(",
        "x*",
        "^a",
        "text:x",
        "a - b",
        "{a b}: c",
        "+",
        "\0",
        "a\0b",
        "\u{301}",
        "'; DROP TABLE words; --",
        "\u{202e}\u{feff}",
        "🦀",
        "",
    ] {
        store.search_text(query, 9, None).unwrap_or_else(|error| panic!("{query}: {error}"));
        store.search_hybrid(query, &[1.0, 0.0], 9, None).unwrap_or_else(|error| panic!("{query}: {error}"));
    }
    assert_eq!(ids(&store, "\"quoted\""), ["1"]);
    assert_eq!(ids(&store, &"b ".repeat(100_000)), ["0"]);
}

/// A store in the format of version 1, without folding.
const VERSION_1: &str = "
CREATE TABLE store(name TEXT PRIMARY KEY, value) WITHOUT ROWID;
CREATE TABLE entries(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    vector BLOB NOT NULL,
    id TEXT NOT NULL UNIQUE,
    text TEXT NOT NULL,
    metadata TEXT
);
CREATE TABLE facts(field TEXT, kind INTEGER, value, row INTEGER, PRIMARY KEY(field, kind, value, row)) WITHOUT ROWID;
CREATE VIRTUAL TABLE words USING fts5(text, content='entries', content_rowid='row');
CREATE TRIGGER entry_added AFTER INSERT ON entries BEGIN
    INSERT INTO words(rowid, text) VALUES(new.row, new.text);
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entries BEGIN
    INSERT INTO words(words, rowid, text) VALUES('delete', old.row, old.text);
END;
INSERT INTO store VALUES('d_embed', 2), ('metric', 'cosine'), ('model', 'null'), ('count', 3), ('removed', 1);
INSERT INTO entries(vector, id, text) VALUES
    (x'0000803f00000000', 'gone', 'café 收据'),
    (x'0000803f00000000', 'a', 'The café closes early'),
    (x'000000000000803f', 'b', '停车场的收据五月到期'),
    (x'0000803f0000803f', 'c', 'Straße');
DELETE FROM entries WHERE id = 'gone';
PRAGMA application_id = 1701604718;
PRAGMA user_version = 1;
";

#[test]
fn a_store_of_version_1_is_upgraded_when_opened_for_writing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.sqlite");
    let connection = elman_sqlite::open(&path, Access::Create).unwrap();
    connection.pragma_update(None, "page_size", 8192).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.execute_batch(VERSION_1).unwrap();
    connection.close().unwrap();

    let reader = LocalStore::open_read_only(folder.path()).unwrap();
    assert_eq!(reader.count().unwrap(), 3);
    assert_eq!(ids(&reader, "CAFE"), ["a"]);
    assert_eq!(ids(&reader, "收据"), [""; 0]);
    assert_eq!(ids(&reader, "停车场的收据五月到期"), ["b"]);

    let mut store = LocalStore::open(folder.path()).unwrap();
    // a reader that was open before uses the upgraded index, too
    for store in [&store, &reader] {
        assert_eq!(ids(store, "CAFE"), ["a"]);
        assert_eq!(ids(store, "收据"), ["b"]);
        assert_eq!(ids(store, "strasse"), ["c"]);
        assert_eq!(store.get("b").unwrap().unwrap().vector, [0.0, 1.0]);
        assert_eq!(store.search(&[1.0, 0.0], 1).unwrap()[0].id, "a");
    }
    store.upsert(vec![Entry::new("d", vec![1.0, 1.0], "收据")]).unwrap();
    store.delete(&["b"]).unwrap();
    assert_eq!(ids(&reader, "收据"), ["d"]);
    drop((store, reader));
    let connection: Connection = elman_sqlite::open(&path, Access::Read).unwrap();
    assert_eq!(connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0)).unwrap(), 2);
    let check: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}
