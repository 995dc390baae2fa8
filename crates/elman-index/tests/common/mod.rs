//! Shared entries and checks.

use elman_index::{Entry, LocalStore, Metadata, StoreConfig, VectorStore};

pub const DIM: usize = 3;

/// A small entry that is a function of `number`.
pub fn entry(number: usize) -> Entry {
    let vector = (0..DIM).map(|axis| ((number * 7 + axis * 3) % 11) as f32 - 5.0).collect();
    let metadata = Metadata::from_iter([("number".to_string(), number.into())]);
    Entry::new(format!("id {number}"), vector, format!("text\n{number} ä")).with_metadata(metadata)
}

/// A new store with the entries `0..count`.
pub fn create(folder: &std::path::Path, count: usize) -> LocalStore {
    let mut store = LocalStore::create(folder, StoreConfig::new(DIM).with_model("model 1")).unwrap();
    store.upsert((0..count).map(entry).collect()).unwrap();
    store
}

/// Asserts that the store holds exactly the entries `0..count`, and that all kinds of search find them.
pub fn assert_holds(store: &LocalStore, count: usize) {
    assert_eq!(store.count().unwrap(), count);
    for number in 0..count {
        let expected = entry(number);
        assert_eq!(store.get(&expected.id).unwrap(), Some(expected));
    }
    if let Some(last) = count.checked_sub(1) {
        let Entry { id, vector, text, .. } = entry(last);
        assert_eq!(store.search(&vector, usize::MAX).unwrap().len(), count);
        let filtered = store.search_where(&vector, 2, &format!("number = {last}").parse().unwrap()).unwrap();
        assert_eq!(filtered.iter().map(|hit| (&*hit.id, &*hit.text)).collect::<Vec<_>>(), [(&*id, &*text)]);
        assert_eq!(store.search_text(&last.to_string(), 2, None).unwrap()[0].id, id);
    }
}
