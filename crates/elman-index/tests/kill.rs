//! A writer that is killed, again and again: what it was told to be written is there, and nothing is torn.

mod common;

use std::{
    env,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use common::{assert_holds, create, entry};
use elman_index::{LocalStore, VectorStore};

/// The folder that this test program is to write to until it is killed.
const VICTIM: &str = "ELMAN_INDEX_TEST_VICTIM";
const KILLS: u64 = 60;
/// Entries that are written together: all of them are there, or none.
const TOGETHER: usize = 3;

#[test]
fn what_was_acknowledged_survives_being_killed() {
    if let Some(folder) = env::var_os(VICTIM) {
        let mut store = LocalStore::open(folder).unwrap();
        let mut out = std::io::stderr();
        // More than it can do before it is killed, and an end if the one that kills it fails.
        let first = store.count().unwrap();
        for start in (first..first + 100_000).step_by(TOGETHER) {
            store.upsert((start..start + TOGETHER).map(entry).collect()).unwrap();
            writeln!(out, "acknowledged {}", start + TOGETHER).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 0));
    for round in 0..KILLS {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "what_was_acknowledged_survives_being_killed", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines().map(Result::unwrap);
        // Not before it has written once; then at moments that differ.
        let mut acknowledged = lines.next().expect("the writer writes");
        thread::sleep(Duration::from_micros(371 * (round % 17)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // what it said before it died, but for a line that it could not end
        acknowledged = lines.last().into_iter().chain([acknowledged]).find(|line| is_whole(line)).unwrap();
        let acknowledged: usize = acknowledged.strip_prefix("acknowledged ").unwrap().parse().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let count = store.count().unwrap();
        assert!(count >= acknowledged, "{count} of {acknowledged}");
        assert_eq!(count % TOGETHER, 0);
        if round % 10 == 9 {
            assert_holds(&store, count);
        } else {
            assert_eq!(store.get(&entry(count - 1).id).unwrap(), Some(entry(count - 1)));
            assert_eq!(store.search(&entry(0).vector, usize::MAX).unwrap().len(), count);
        }
    }
}

fn is_whole(line: &str) -> bool {
    line.strip_prefix("acknowledged ").is_some_and(|number| number.parse::<usize>().is_ok_and(|n| n % TOGETHER == 0))
}
