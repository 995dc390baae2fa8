#![no_main]
use std::sync::{Mutex, OnceLock};

use elman_fuzz::folder;
use elman_index::{Entry, LocalStore, StoreConfig, VectorStore};
use libfuzzer_sys::fuzz_target;

// A full-text query. Every text is a valid query.
fuzz_target!(|text: &str| {
    static STORE: OnceLock<Mutex<LocalStore>> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let mut store = LocalStore::create(folder().join("store"), StoreConfig::new(2)).unwrap();
        let texts = ["a cat sat on the mat", "发票 des Gärtners", "iPhone ﬁle ＡＢＣ"];
        let entry = |(n, text): (usize, &&str)| Entry::new(n.to_string(), vec![1.0, n as f32], *text);
        store.upsert(texts.iter().enumerate().map(entry).collect()).unwrap();
        Mutex::new(store)
    });
    let store = store.lock().unwrap();
    store.search_text(text, 3, None).expect("every text is a valid query");
});
