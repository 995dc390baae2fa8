//! A writer that is killed repeatedly: acknowledged writes are durable, and transactions are atomic.

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

/// Environment variable with the folder that this program writes to until it is killed.
const WRITER_FOLDER: &str = "ELMAN_INDEX_TEST_VICTIM";
const KILLS: u64 = 60;
/// Entries per transaction.
const BATCH: usize = 3;

#[test]
fn acknowledged_writes_survive_kills() {
    if let Some(folder) = env::var_os(WRITER_FOLDER) {
        let mut store = LocalStore::open(folder).unwrap();
        let mut out = std::io::stderr();
        // more than it can write before it is killed, but finite in case the parent fails
        let first = store.count().unwrap();
        for start in (first..first + 100_000).step_by(BATCH) {
            store.upsert((start..start + BATCH).map(entry).collect()).unwrap();
            writeln!(out, "acknowledged {}", start + BATCH).unwrap();
        }
    }
    let folder = tempfile::tempdir().unwrap();
    drop(create(folder.path(), 0));
    for round in 0..KILLS {
        let mut writer = Command::new(env::current_exe().unwrap())
            .args(["--exact", "acknowledged_writes_survive_kills", "--nocapture"])
            .env(WRITER_FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(writer.stderr.take().unwrap()).lines().map(Result::unwrap);
        // kill it after the first write, with varying delays
        let mut acknowledged = lines.next().expect("the writer acknowledges a write");
        thread::sleep(Duration::from_micros(371 * (round % 17)));
        writer.kill().unwrap();
        writer.wait().unwrap();
        // the last complete line of its output
        acknowledged = lines.last().into_iter().chain([acknowledged]).find(|line| is_complete(line)).unwrap();
        let acknowledged: usize = acknowledged.strip_prefix("acknowledged ").unwrap().parse().unwrap();
        let store = LocalStore::open(folder.path()).unwrap();
        let count = store.count().unwrap();
        assert!(count >= acknowledged, "{count} of {acknowledged}");
        assert_eq!(count % BATCH, 0);
        if round % 10 == 9 {
            assert_holds(&store, count);
        } else {
            assert_eq!(store.get(&entry(count - 1).id).unwrap(), Some(entry(count - 1)));
            assert_eq!(store.search(&entry(0).vector, usize::MAX).unwrap().len(), count);
        }
    }
}

fn is_complete(line: &str) -> bool {
    line.strip_prefix("acknowledged ").is_some_and(|number| number.parse::<usize>().is_ok_and(|n| n % BATCH == 0))
}
