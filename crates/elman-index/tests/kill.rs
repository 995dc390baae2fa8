//! A writer that is killed. In a program of its own: a child holds its parent's locks from `fork` to `exec`, which another
//! test beside it could meet.

mod common;

use std::{
    env,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{assert_holds, create, entry};
use elman_index::{FlatStore, VectorStore};

/// The folder that this test program is to write to until it is killed.
const VICTIM: &str = "ELMAN_INDEX_TEST_VICTIM";

#[test]
fn a_killed_writer_leaves_a_whole_generation_and_no_lock() {
    if let Some(folder) = env::var_os(VICTIM) {
        let mut store = FlatStore::open(folder).unwrap();
        // More than it can do before it is killed, and an end if the one that kills it fails.
        for number in (0..20_000).skip(store.count().unwrap()) {
            store.upsert(vec![entry(number)]).unwrap();
            store.flush().unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 0));
    let mut before = 0;
    for round in 0..8 {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "a_killed_writer_leaves_a_whole_generation_and_no_lock"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Not before it has flushed once; then at moments that differ.
        while FlatStore::open_read_only(folder.path()).unwrap().count().unwrap() == before {
            assert!(writer.try_wait().unwrap().is_none(), "the writer ended by itself");
        }
        thread::sleep(Duration::from_micros(1300 * round));
        writer.kill().unwrap();
        writer.wait().unwrap();
        let store = FlatStore::open(folder.path()).unwrap();
        assert!(store.count().unwrap() > before);
        before = store.count().unwrap();
        assert_holds(&store, before);
    }
}
