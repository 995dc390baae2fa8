//! A `store.json` that is absent, damaged or another program's.

use std::fs;

use elman_index::{FlatStore, IndexError};
use serde_json::json;

use crate::victim::check;

#[test]
fn a_folder_without_a_store() {
    let expected = "'DIR' holds no store (it has no store.json): create one there, or check the path";
    check(|v| fs::remove_file(v.path("store.json")).unwrap(), expected);
    check(|v| fs::remove_dir_all(v.0.path()).unwrap(), expected);
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(matches!(FlatStore::open(file.path()), Err(IndexError::NotAStore { .. })));
    // Looking for a store in a folder leaves nothing there.
    let folder = tempfile::tempdir().unwrap();
    FlatStore::open(folder.path()).unwrap_err();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_manifest_that_is_not_one() {
    let damaged = "'DIR/store.json' is damaged, or not a store's: …";
    check(|v| v.write("store.json", ""), damaged);
    check(|v| v.write("store.json", [0xff, 0xfe]), damaged);
    check(|v| v.write("store.json", "[".repeat(10_000)), damaged);
    check(|v| v.write("store.json", "{\"version\": 1}"), damaged);
    check(|v| v.set("surprise", 1), damaged);
    check(|v| v.set("metric", "manhattan"), damaged);
    check(|v| v.set("count", -1), damaged);
    check(|v| v.set("vectors", json!({"bytes": 1})), damaged);
    let expected = "'DIR/store.json' has more than 1048576 bytes: it is damaged, or not a store's";
    check(|v| v.write("store.json", " ".repeat((1 << 20) + 1)), expected);
    let expected = "'DIR/store.json' is not a store's: its format is 'package.json', not 'elman-index'";
    check(|v| v.set("format", "package.json"), expected);
}

#[test]
fn a_manifest_of_another_version() {
    let expected = |found| {
        format!("'DIR/store.json' has format version {found}, and this program reads version 1: use a newer one")
    };
    check(|v| v.set("version", 2), &expected(2));
    // Whatever a later version looks like.
    check(|v| v.write("store.json", r#"{"format": "elman-index", "version": 3, "shards": []}"#), &expected(3));
}

#[test]
fn a_manifest_with_an_impossible_dimension() {
    for found in [0, 65_537, usize::MAX] {
        let expected =
            format!("'DIR/store.json' is damaged: vectors of {found} dimensions, where 1 to 65536 are possible");
        check(|v| v.set("d_embed", found), &expected);
    }
}
