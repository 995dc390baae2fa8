//! A server that is killed and restarted during a bulk load: nothing is lost or duplicated.
//!
//! `ELMAN_TEST_POSTGRES_STOP` and `ELMAN_TEST_POSTGRES_START` are commands that kill the server and start it.
#![cfg(feature = "postgres")]

mod postgres_server;

use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::Duration,
};

use elman_index::{Entry, Metadata, PostgresStore, StoreConfig, VectorStore};
use postgres_server::{Table, server, variable};

const DIM: usize = 32;
const BATCH: usize = 100;
const BATCHES: usize = 120;
const KILLS: usize = 3;

fn entry(n: usize) -> Entry {
    let vector = (0..DIM).map(|axis| ((n * 31 + axis * 17) % 101) as f32 - 50.5).collect();
    Entry::new(format!("id {n}"), vector, format!("text {n}"))
        .with_metadata(Metadata::from_iter([("n".into(), n.into())]))
}

fn shell(command: &str) {
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
}

#[test]
fn a_bulk_load_continues_after_the_server_is_restarted() {
    let (Some(server), Some(stop), Some(start)) =
        (server(), variable("ELMAN_TEST_POSTGRES_STOP"), variable("ELMAN_TEST_POSTGRES_START"))
    else {
        return;
    };
    let table = Table::new(&server);
    let mut store = PostgresStore::create(&table.address(), StoreConfig::new(DIM)).unwrap();
    let reader = PostgresStore::open(&table.address()).unwrap();
    let (loaded, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            for batch in 0..BATCHES {
                store.upsert((batch * BATCH..(batch + 1) * BATCH).map(entry).collect()).unwrap();
                loaded.store(batch + 1, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
        // acknowledged writes are always visible
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                let acknowledged = loaded.load(Ordering::SeqCst) * BATCH;
                let count = reader.count().unwrap();
                assert!(count >= acknowledged && count.is_multiple_of(BATCH), "{count} of {acknowledged}");
                thread::sleep(Duration::from_millis(20));
            }
        });
        for kill in 1..=KILLS {
            while loaded.load(Ordering::SeqCst) < kill * BATCHES / (KILLS + 1) {
                assert!(!done.load(Ordering::SeqCst), "the load finished before the server was killed");
                thread::sleep(Duration::from_millis(1));
            }
            shell(&stop);
            assert!(!done.load(Ordering::SeqCst), "the load finished before the server was killed");
            thread::sleep(Duration::from_secs(3));
            shell(&start);
        }
    });
    let mut found = Vec::new();
    reader.visit(None, &mut |entry| found.push(entry)).unwrap();
    assert_eq!(found.len(), BATCHES * BATCH);
    assert!((0..).map(entry).zip(&found).all(|(expected, found)| expected == *found));
    let hits = reader.search_where(&entry(7).vector, 5, &"n = 7".parse().unwrap()).unwrap();
    assert_eq!(hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>(), ["id 7"]);
}
