//! Entries and comparisons that more than one test needs.

use elman_index::{Entry, FlatStore, FlatStoreConfig, Metadata, VectorStore};

pub const D_EMBED: usize = 3;

/// A small entry whose content follows from `number`.
pub fn entry(number: usize) -> Entry {
    let vector = (0..D_EMBED).map(|axis| ((number * 7 + axis * 3) % 11) as f32 - 5.0).collect();
    let metadata = Metadata::from_iter([("number".to_string(), number.into())]);
    Entry::new(format!("id {number}"), vector, format!("text\n{number} ä")).with_metadata(metadata)
}

/// A new store with the entries `0..count`, flushed.
pub fn create(folder: &std::path::Path, count: usize) -> FlatStore {
    let mut store = FlatStore::create(folder, FlatStoreConfig::new(D_EMBED).with_model("model 1")).unwrap();
    store.upsert((0..count).map(entry).collect()).unwrap();
    store.flush().unwrap();
    store
}

/// Panics unless the store holds exactly the entries `0..count`.
pub fn assert_holds(store: &dyn VectorStore, count: usize) {
    assert_eq!(store.count().unwrap(), count);
    for number in 0..count {
        let expected = entry(number);
        assert_eq!(store.get(&expected.id).unwrap(), Some(expected));
    }
}
