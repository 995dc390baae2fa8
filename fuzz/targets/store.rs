#![no_main]
use std::{fs, sync::OnceLock};

use elman_fuzz::{checked, finite, folder};
use elman_index::{Entry, LocalStore, StoreConfig, VectorStore};
use libfuzzer_sys::fuzz_target;

// A store's database with some bytes replaced. The input is a list of (offset, value) pairs of five bytes each. Reading
// must fail or return what was written.
fuzz_target!(|bytes: &[u8]| {
    static GOOD: OnceLock<Vec<u8>> = OnceLock::new();
    let path = folder().join("damaged");
    let good = GOOD.get_or_init(|| {
        let mut store = LocalStore::create(&path, StoreConfig::new(2)).unwrap();
        let entry = |n: usize| Entry::new(format!("t:{n}"), vec![1.0, n as f32], format!("the text {n} about harbours"));
        store.upsert((0..40).map(entry).collect()).unwrap();
        drop(store);
        fs::read(path.join("store.sqlite")).unwrap()
    });
    let mut damaged = good.clone();
    for change in bytes.chunks_exact(5) {
        let offset = u32::from_le_bytes([change[0], change[1], change[2], change[3]]) as usize % damaged.len();
        damaged[offset] = change[4];
    }
    for entry in fs::read_dir(&path).unwrap().flatten() {
        fs::remove_file(entry.path()).unwrap();
    }
    fs::write(path.join("store.sqlite"), &damaged).unwrap();
    let Some(store) = checked(LocalStore::open_read_only(&path)) else { return };
    for hit in checked(store.search(&[1.0, 7.0], 5)).into_iter().flatten() {
        finite(&[hit.score]);
        let number: usize = hit.id.strip_prefix("t:").and_then(|n| n.parse().ok()).expect("an id of this store");
        assert_eq!(hit.text, format!("the text {number} about harbours"));
    }
    if let Some(hits) = checked(store.search_text("harbours", 100, None)) {
        assert_eq!(hits.len(), 40);
    }
});
