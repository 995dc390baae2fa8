#![no_main]
use elman_fuzz::checked;
use elman_index::{Entry, Filter, MemoryStore, Metric, VectorStore};
use libfuzzer_sys::fuzz_target;

// A --filter expression, and a search with it.
fuzz_target!(|text: &str| {
    let Some(filter) = checked(text.parse::<Filter>()) else { return };
    let mut store = MemoryStore::new(2, Metric::Cosine).unwrap();
    let metadata = [("year".to_string(), 1975.into()), ("file".to_string(), "a.txt".into())].into_iter().collect();
    store.upsert(vec![Entry::new("a", vec![1.0, 0.0], "a text").with_metadata(metadata)]).unwrap();
    checked(store.search_where(&[1.0, 0.0], 3, &filter));
});
