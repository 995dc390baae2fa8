//! Conformance tests of [`VectorStore`](elman_index::VectorStore), for all stores.
//!
//! A line in `stores!` adds a store.

#[cfg(feature = "milvus")]
#[path = "common/milvus.rs"]
mod milvus_server;
#[cfg(feature = "postgres")]
mod postgres_server;

use std::{any::Any, path::Path};

use elman_index::{
    Entry, Hit, IndexError, LocalStore, MemoryStore, Metadata, Metric, StoreConfig, VectorStore,
    quantized::{QuantizedStore, QuantizedStoreConfig, VectorDtype},
};
use serde_json::{Value, json};

const DIM: usize = 4;

struct Store {
    store: Box<dyn VectorStore>,
    /// Tolerance of scores and vectors, for the rounding of int8 vectors.
    tolerance: f32,
    /// Dropped after the store.
    _server: Option<Box<dyn Any>>,
}

impl Store {
    fn new(store: impl VectorStore + 'static) -> Self {
        Self { store: Box::new(store), tolerance: 1e-6, _server: None }
    }
}

fn memory(_: &Path, metric: Metric) -> Option<Store> {
    Some(Store::new(MemoryStore::new(DIM, metric).unwrap()))
}

fn local(folder: &Path, metric: Metric) -> Option<Store> {
    let config = StoreConfig::new(DIM).with_metric(metric);
    Some(Store::new(LocalStore::create(folder, config).unwrap()))
}

fn quantized(_: &Path, metric: Metric) -> Option<Store> {
    let config =
        QuantizedStoreConfig { first: VectorDtype::Int8, second: VectorDtype::Int8, ..QuantizedStoreConfig::new(DIM) };
    // the only metric is cosine
    let store = (metric == Metric::Cosine).then(|| QuantizedStore::new(config).unwrap())?;
    Some(Store { tolerance: 1e-2, ..Store::new(store) })
}

#[cfg(feature = "postgres")]
fn postgres(_: &Path, metric: Metric) -> Option<Store> {
    let table = postgres_server::Table::new(&postgres_server::server()?);
    let config = StoreConfig::new(DIM).with_metric(metric);
    let store = elman_index::PostgresStore::create(&table.address(), config).unwrap();
    Some(Store { _server: Some(Box::new(table)), ..Store::new(store) })
}

#[cfg(feature = "milvus")]
fn milvus(_: &Path, metric: Metric) -> Option<Store> {
    let collection = milvus_server::is_available().then(milvus_server::Collection::new)?;
    let config = StoreConfig::new(DIM).with_metric(metric);
    let store = elman_index::MilvusStore::create(collection.url(), config).unwrap();
    Some(Store { _server: Some(Box::new(collection)), ..Store::new(store) })
}

fn entry(id: &str, vector: [f32; DIM], metadata: Value) -> Entry {
    let entry = Entry::new(id, vector.to_vec(), format!("text of {id}"));
    match metadata {
        Value::Object(metadata) => entry.with_metadata(metadata),
        _ => entry,
    }
}

/// Six entries, a to f, in the order of decreasing cosine with the first axis.
fn six() -> Vec<Entry> {
    vec![
        entry("a", [1.0, 0.0, 0.0, 0.0], json!({"year": 1990, "lang": "en", "by": {"name": "Ada"}})),
        entry("b", [0.9, 0.3, 0.0, 0.0], json!({"year": 2000, "lang": "de", "draft": true})),
        entry("c", [0.7, 0.7, 0.0, 0.0], json!({"year": 2000.5, "lang": "en", "tags": ["x", "y"]})),
        entry("d", [0.3, 0.9, 0.1, 0.0], json!({"year": "2000", "lang": null})),
        entry("e", [0.0, 1.0, 0.0, 0.2], Value::Null),
        entry("f", [-1.0, 0.1, 0.0, 0.0], json!({"lang": "it's", "key with spaces": 1, "draft": false})),
    ]
}

const FIRST: [f32; DIM] = [1.0, 0.0, 0.0, 0.0];

fn ids(hits: &[Hit]) -> String {
    hits.iter().map(|hit| hit.id.as_str()).collect::<Vec<_>>().join("")
}

impl Store {
    fn holds(&self, expected: &str) {
        assert_eq!(self.store.count().unwrap(), expected.len());
        let mut found: Vec<char> = ids(&self.store.search(&FIRST, usize::MAX).unwrap()).chars().collect();
        found.sort_unstable();
        assert_eq!(found.into_iter().collect::<String>(), expected);
    }

    fn finds(&self, filter: &str, expected: &str) {
        let hits = self.store.search_where(&FIRST, 9, &filter.parse().unwrap()).unwrap();
        assert_eq!(ids(&hits), expected, "{filter}");
    }

    fn rejects(&mut self, entries: Vec<Entry>, expected: &str) {
        let error = self.store.upsert(entries).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        self.holds("abcdef");
    }
}

/// A test case, for a store that holds the six entries, with the metric cosine.
type Case = fn(&mut Store);

const CASES: [(&str, Case); 46] = [
    ("an entry round-trips", |s| {
        let found = s.store.get("a").unwrap().unwrap();
        let given = &six()[0];
        assert_eq!((&found.id, &found.text, &found.metadata), (&given.id, &given.text, &given.metadata));
        assert!(
            found.vector.iter().zip(&given.vector).all(|(a, b)| (a - b).abs() <= s.tolerance),
            "{:?}",
            found.vector
        );
    }),
    ("an entry without metadata has none", |s| assert_eq!(s.store.get("e").unwrap().unwrap().metadata, None)),
    ("empty metadata is not none", |s| {
        s.store.upsert(vec![entry("g", FIRST, json!({}))]).unwrap();
        assert_eq!(s.store.get("g").unwrap().unwrap().metadata, Some(Metadata::new()));
    }),
    ("an unknown id is none", |s| assert_eq!(s.store.get("nowhere").unwrap(), None)),
    ("dimension and metric", |s| {
        assert_eq!((s.store.dim(), s.store.metric()), (DIM, Metric::Cosine));
    }),
    ("hits are best first", |s| assert_eq!(ids(&s.store.search(&FIRST, 9).unwrap()), "abcdef")),
    ("no more hits than requested", |s| assert_eq!(ids(&s.store.search(&FIRST, 2).unwrap()), "ab")),
    ("no hits if none are requested", |s| assert_eq!(s.store.search(&FIRST, 0).unwrap(), [])),
    ("a score is the cosine", |s| {
        for hit in s.store.search(&[0.5, 0.5, 0.5, 0.5], 9).unwrap() {
            let entry = six().into_iter().find(|entry| entry.id == hit.id).unwrap();
            let expected = Metric::Cosine.score(&[0.5; 4], &entry.vector);
            assert!((hit.score - expected).abs() <= s.tolerance, "{hit:?} {expected}");
        }
    }),
    ("the norm of a query has no effect", |s| {
        let (short, long) =
            (s.store.search(&[1e-3, 0.0, 0.0, 0.0], 9).unwrap(), s.store.search(&[1e3, 0.0, 0.0, 0.0], 9).unwrap());
        assert!(short.iter().zip(&long).all(|(a, b)| a.id == b.id && (a.score - b.score).abs() < 1e-6));
    }),
    ("a hit has text and metadata", |s| {
        let hit = s.store.search(&FIRST, 1).unwrap().remove(0);
        assert_eq!((hit.text, hit.metadata), ("text of a".into(), six()[0].metadata.clone()));
    }),
    ("upsert replaces", |s| {
        s.store.upsert(vec![entry("f", FIRST, json!({"new": 1}))]).unwrap();
        s.holds("abcdef");
        assert_eq!(s.store.get("f").unwrap().unwrap().metadata, json!({"new": 1}).as_object().cloned());
        s.finds("new = 1", "f");
    }),
    ("upsert removes previous metadata", |s| {
        s.store.upsert(vec![entry("f", FIRST, Value::Null)]).unwrap();
        s.finds("lang = 'it''s'", "");
    }),
    ("delete", |s| {
        s.store.delete(&["a", "c"]).unwrap();
        s.holds("bdef");
        assert_eq!(s.store.get("a").unwrap(), None);
    }),
    ("deleting nothing has no effect", |s| {
        s.store.delete(&[]).unwrap();
        s.store.delete(&["nowhere", ""]).unwrap();
        s.holds("abcdef");
    }),
    ("delete is idempotent", |s| {
        s.store.delete(&["a", "a"]).unwrap();
        s.store.delete(&["a"]).unwrap();
        s.holds("bcdef");
    }),
    ("a deleted entry can be inserted again", |s| {
        s.store.delete(&["a"]).unwrap();
        s.store.upsert(six().drain(..1).collect()).unwrap();
        s.holds("abcdef");
    }),
    ("an empty upsert has no effect", |s| {
        s.store.upsert(vec![]).unwrap();
        s.holds("abcdef");
    }),
    ("all can be deleted", |s| {
        s.store.delete(&["a", "b", "c", "d", "e", "f"]).unwrap();
        s.holds("");
    }),
    ("a flush changes nothing", |s| {
        s.store.flush().unwrap();
        s.holds("abcdef");
    }),
    ("ids are arbitrary text", |s| {
        for id in ["\u{1f980} ü 'quote' \"double\" \\ % _ \n", "0", " ", &"i".repeat(10_240)] {
            s.store.upsert(vec![entry(id, FIRST, Value::Null)]).unwrap();
            assert_eq!(s.store.get(id).unwrap().unwrap().id, id);
            s.store.delete(&[id]).unwrap();
            assert_eq!(s.store.get(id).unwrap(), None);
        }
        s.holds("abcdef");
    }),
    ("ids are case-sensitive", |s| {
        s.store.upsert(vec![entry("A", FIRST, Value::Null)]).unwrap();
        assert_eq!(s.store.count().unwrap(), 7);
        s.store.delete(&["A"]).unwrap();
        s.holds("abcdef");
    }),
    ("texts are arbitrary", |s| {
        let text = format!("{}\n\t'\"\\ \u{202e}שלום \u{1f980}", "x".repeat(50_000));
        s.store.upsert(vec![Entry::new("a", FIRST.to_vec(), text.clone())]).unwrap();
        assert_eq!(s.store.search(&FIRST, 1).unwrap()[0].text, text);
    }),
    ("texts can be empty", |s| {
        s.store.upsert(vec![Entry::new("a", FIRST.to_vec(), "")]).unwrap();
        assert_eq!(s.store.get("a").unwrap().unwrap().text, "");
    }),
    ("metadata is arbitrary JSON", |s| {
        let metadata =
            json!({"": [1, {"a": null}], "π": 0.1, "big": 9_007_199_254_740_991_i64, "deep": {"er": {"still": true}}});
        s.store.upsert(vec![entry("a", FIRST, metadata.clone())]).unwrap();
        assert_eq!(s.store.get("a").unwrap().unwrap().metadata, metadata.as_object().cloned());
    }),
    ("rejected: empty id", |s| s.rejects(vec![entry("", FIRST, Value::Null)], "empty id")),
    ("rejected: wrong dimension", |s| {
        s.rejects(vec![Entry::new("g", vec![1.0; 3], "")], "has 3 dimensions, but the store holds vectors of 4")
    }),
    ("rejected: empty vector", |s| s.rejects(vec![Entry::new("g", vec![], "")], "has 0 dimensions")),
    ("rejected: NaN", |s| {
        s.rejects(vec![entry("g", [1.0, f32::NAN, 0.0, 0.0], Value::Null)], "'g' is NaN at position 1")
    }),
    ("rejected: infinity", |s| {
        s.rejects(vec![entry("g", [1.0, 0.0, f32::INFINITY, 0.0], Value::Null)], "'g' is inf at position 2")
    }),
    ("rejected: zero vector", |s| s.rejects(vec![entry("g", [0.0; 4], Value::Null)], "'g' is zero")),
    ("rejected: repeated id", |s| {
        s.rejects(vec![entry("g", FIRST, Value::Null), entry("g", FIRST, Value::Null)], "two entries have the id 'g'");
    }),
    ("rejected: metadata nested too deeply", |s| {
        let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
        s.rejects(vec![entry("g", FIRST, json!({"deep": deep}))], "nested more than 64 levels deep");
    }),
    ("rejected with valid entries: none is stored", |s| {
        s.rejects(vec![entry("g", FIRST, Value::Null), entry("h", [f32::NAN; 4], Value::Null)], "NaN");
    }),
    ("rejected: query of wrong dimension", |s| {
        assert!(matches!(s.store.search(&[1.0], 3), Err(IndexError::QueryDimension { expected: DIM, found: 1 })));
    }),
    ("rejected: query with NaN", |s| {
        assert!(matches!(s.store.search(&[f32::NAN; 4], 3), Err(IndexError::QueryNotFinite { position: 0, .. })));
    }),
    ("rejected: zero query", |s| assert!(matches!(s.store.search(&[0.0; 4], 3), Err(IndexError::QueryZero)))),
    ("filters: comparisons", |s| {
        for (filter, expected) in [
            ("year = 2000", "b"),
            ("year < 2000", "a"),
            ("year <= 2000", "ab"),
            ("year > 2000", "c"),
            ("year >= 2000", "bc"),
        ] {
            s.finds(filter, expected);
        }
    }),
    ("filters: strings are not numbers", |s| s.finds("year = '2000'", "d")),
    ("filters: order of strings", |s| s.finds("lang >= 'en'", "acf")),
    ("filters: booleans", |s| {
        s.finds("draft = true", "b");
        s.finds("draft < true", "f");
    }),
    ("filters: sets", |s| {
        s.finds("lang in ('en', 'it''s')", "acf");
        s.finds("year not in (2000, '2000', true)", "acef");
    }),
    ("filters: absent fields are not equal", |s| s.finds("lang != 'en'", "bdef")),
    ("filters: and, or, not", |s| {
        s.finds("lang = 'en' and year > 1995", "c");
        s.finds("lang = 'de' or year = 1990", "ab");
        s.finds("not (lang = 'de' or year = 1990)", "cdef");
        s.finds("draft = true and year > 1995 or by.name = 'Ada'", "ab");
        s.finds("\"key with spaces\" = 1", "f");
    }),
    ("filters: all matches, up to the count", |s| {
        let more: Vec<Entry> =
            (0..300).map(|n| entry(&format!("n{n}"), [-1.0, n as f32, 0.0, 1.0], json!({"n": n}))).collect();
        s.store.upsert(more).unwrap();
        let filter = "n >= 290".parse().unwrap();
        assert_eq!(s.store.search_where(&FIRST, 5, &filter).unwrap().len(), 5);
        assert_eq!(s.store.search_where(&FIRST, 50, &filter).unwrap().len(), 10);
        assert_eq!(s.store.search_where(&FIRST, 0, &filter).unwrap().len(), 0);
    }),
    ("filters: an unknown field is an error", |s| {
        let error = s.store.search_where(&FIRST, 3, &"yaer = 1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("no entry has the field yaer: entries have"), "{error}");
        assert!(s.store.search_where(&FIRST, 3, &"tags = 'x'".parse().unwrap()).is_err(), "an array is not a scalar");
    }),
];

fn conforms(make: fn(&Path, Metric) -> Option<Store>) {
    for (name, case) in CASES {
        let folder = tempfile::tempdir().unwrap();
        // all stores support cosine; `None` means that no server is available
        let Some(mut store) = make(folder.path(), Metric::Cosine) else { return };
        store.store.upsert(six()).unwrap();
        let run = std::panic::AssertUnwindSafe(|| case(&mut store));
        assert!(std::panic::catch_unwind(run).is_ok(), "the case «{name}» failed");
    }
    for (metric, expected, best) in [(Metric::Dot, "cbdaef", 1.33), (Metric::Euclidean, "cbdaef", 0.13f32.sqrt())] {
        let folder = tempfile::tempdir().unwrap();
        let Some(Store { mut store, tolerance, _server }) = make(folder.path(), metric) else { continue };
        store.upsert(six()).unwrap();
        let hits = store.search(&[1.0, 0.9, 0.0, 0.0], 9).unwrap();
        assert_eq!(ids(&hits), expected, "{metric}");
        assert!((hits[0].score - best).abs() <= tolerance, "{metric}: {}", hits[0].score);
        assert_eq!(store.metric(), metric);
        // distances and dot products of zero vectors are defined
        store.upsert(vec![entry("z", [0.0; 4], Value::Null)]).unwrap();
        assert_eq!(store.search(&[0.0; 4], 9).unwrap().len(), 7);
    }
}

macro_rules! stores {
    ($($(#[$attribute:meta])* $test:ident = $store:ident;)*) => {$(
        $(#[$attribute])*
        #[test]
        fn $test() {
            conforms($store);
        }
    )*};
}

stores! {
    memory_store_conforms = memory;
    local_store_conforms = local;
    quantized_store_conforms = quantized;
    #[cfg(feature = "postgres")]
    postgres_store_conforms = postgres;
    #[cfg(feature = "milvus")]
    milvus_store_conforms = milvus;
}
