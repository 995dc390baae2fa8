//! Interrupted flushes, several writers, and readers beside a writer.

mod common;

use std::{fs, path::Path, thread};

use common::{assert_holds, create, entry};
use elman_index::{FlatStore, FlatStoreConfig, IndexError, VectorStore};

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// A folder with one generation of 2 entries, another with the next of 3.
fn two_generations() -> (tempfile::TempDir, tempfile::TempDir) {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(create(old.path(), 2));
    for name in names(old.path()) {
        fs::copy(old.path().join(&name), new.path().join(name)).unwrap();
    }
    let mut store = FlatStore::open(new.path()).unwrap();
    store.upsert(vec![entry(2)]).unwrap();
    store.flush().unwrap();
    (old, new)
}

#[test]
fn a_flush_leaves_one_generation() {
    let (old, new) = two_generations();
    assert_eq!(names(old.path()), ["entries-2.jsonl", "store.json", "store.lock", "vectors-2.safetensors"]);
    assert_eq!(names(new.path()), ["entries-3.jsonl", "store.json", "store.lock", "vectors-3.safetensors"]);
}

#[test]
fn a_crash_between_any_two_files_leaves_a_whole_generation() {
    let (old, new) = two_generations();
    let copy = |name: &str| fs::copy(new.path().join(name), old.path().join(name)).unwrap();
    // Each step of a flush, in its order, and how many entries a reader must find after it.
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 2);
    copy("vectors-3.safetensors");
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 2);
    copy("entries-3.jsonl");
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 2);
    copy("store.json");
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 3);
    fs::remove_file(old.path().join("vectors-2.safetensors")).unwrap();
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 3);
}

#[test]
fn what_a_crash_left_is_written_over_and_removed() {
    let (old, _) = two_generations();
    for leftover in ["vectors-3.safetensors", "entries-3.jsonl", "vectors-1.safetensors"] {
        fs::write(old.path().join(leftover), "half of a fi").unwrap();
    }
    fs::write(old.path().join("entries-mine.jsonl"), "the user's own").unwrap();
    let mut store = FlatStore::open(old.path()).unwrap();
    assert_holds(&store, 2);
    store.upsert(vec![entry(2)]).unwrap();
    store.flush().unwrap();
    assert_holds(&FlatStore::open_read_only(old.path()).unwrap(), 3);
    let expected = ["entries-3.jsonl", "entries-mine.jsonl", "store.json", "store.lock", "vectors-3.safetensors"];
    assert_eq!(names(old.path()), expected);
}

#[test]
fn a_failed_flush_keeps_the_old_generation_and_can_be_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 2);
    store.upsert(vec![entry(2)]).unwrap();
    // A folder where the file must go: its replacement fails on every system.
    let obstacle = folder.path().join("entries-3.jsonl");
    fs::create_dir(&obstacle).unwrap();
    let error = store.flush().unwrap_err();
    assert!(matches!(&error, IndexError::Write { path, .. } if *path == obstacle), "{error}");
    assert_holds(&FlatStore::open_read_only(folder.path()).unwrap(), 2);
    store.flush().unwrap();
    assert_holds(&FlatStore::open_read_only(folder.path()).unwrap(), 3);
}

#[test]
fn dropping_without_a_flush_loses_only_what_was_not_flushed() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 2);
    store.upsert(vec![entry(2)]).unwrap();
    store.delete(&["id 0"]).unwrap();
    assert_eq!(store.count().unwrap(), 2);
    drop(store);
    assert_holds(&FlatStore::open(folder.path()).unwrap(), 2);
}

#[test]
fn a_flush_without_changes_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 1);
    store.upsert(vec![]).unwrap();
    store.delete(&["nowhere"]).unwrap();
    store.flush().unwrap();
    assert!(folder.path().join("vectors-2.safetensors").exists());
}

#[test]
fn the_last_generation_number_is_followed_by_another() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 1));
    let manifest = folder.path().join("store.json");
    let last = u64::MAX.to_string();
    let text = fs::read_to_string(&manifest).unwrap().replace("\"generation\": 2", &format!("\"generation\": {last}"));
    fs::write(&manifest, text).unwrap();
    for (stem, extension) in [("vectors", "safetensors"), ("entries", "jsonl")] {
        let path = |generation: &str| folder.path().join(format!("{stem}-{generation}.{extension}"));
        fs::rename(path("2"), path(&last)).unwrap();
    }
    let mut store = FlatStore::open(folder.path()).unwrap();
    store.upsert(vec![entry(1)]).unwrap();
    store.flush().unwrap();
    assert_holds(&FlatStore::open_read_only(folder.path()).unwrap(), 2);
}

#[test]
fn one_writer_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 1);
    let error = FlatStore::open(folder.path()).unwrap_err();
    assert!(matches!(error, IndexError::Locked { .. }));
    let expected = format!(
        "the store '{}' is being written by another program: wait until it ends, or open the store to read only",
        folder.path().display()
    );
    assert_eq!(error.to_string(), expected);
    let error = FlatStore::create(folder.path(), FlatStoreConfig::new(1)).unwrap_err();
    assert!(matches!(error, IndexError::Locked { .. }));

    // A reader goes on with what it has read while the writer goes on writing.
    let reader = FlatStore::open_read_only(folder.path()).unwrap();
    store.upsert(vec![entry(1)]).unwrap();
    store.flush().unwrap();
    assert_holds(&reader, 1);
    drop(store);
    assert_holds(&FlatStore::open(folder.path()).unwrap(), 2);
}

#[test]
fn a_reader_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 1));
    let mut reader = FlatStore::open_read_only(folder.path()).unwrap();
    assert!(matches!(reader.upsert(vec![entry(1)]), Err(IndexError::ReadOnly { .. })));
    assert!(matches!(reader.delete(&["id 0"]), Err(IndexError::ReadOnly { .. })));
    reader.flush().unwrap();
    assert_holds(&reader, 1);
}

#[test]
fn readers_beside_a_busy_writer_always_find_a_whole_generation() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = create(folder.path(), 0);
    thread::scope(|scope| {
        let writer = scope.spawn(move || {
            for number in 0..60 {
                store.upsert(vec![entry(number)]).unwrap();
                store.flush().unwrap();
            }
        });
        while !writer.is_finished() {
            let reader = FlatStore::open_read_only(folder.path()).unwrap();
            assert_holds(&reader, reader.count().unwrap());
        }
    });
    assert_holds(&FlatStore::open_read_only(folder.path()).unwrap(), 60);
}
