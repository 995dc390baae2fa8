//! Property tests: stores, compared with simple models.

use std::collections::{HashMap, HashSet};

use elman_index::{
    Entry, LocalStore, MemoryStore, Metadata, Metric, StoreConfig, VectorStore, cosine, dot, euclidean,
    quantized::{Binary, Int8, QuantizedStore, QuantizedStoreConfig, VectorDtype},
    top_k,
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;

const DIM: usize = 5;

/// A change to a store.
#[derive(Clone, Debug)]
enum Change {
    Upsert(Vec<Entry>),
    Delete(Vec<String>),
    Reopen,
}

fn metadata() -> impl Strategy<Value = Metadata> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let value = leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    vec((any::<String>(), value), 0..3).prop_map(Metadata::from_iter)
}

/// Few ids, so that they repeat.
fn id() -> impl Strategy<Value = String> {
    prop_oneof!["[a-e]", "[a-e\n\"\\\\ü]{2}"]
}

/// Few distinct values, so that scores tie.
fn vector() -> impl Strategy<Value = Vec<f32>> {
    let value = prop_oneof![
        4 => (-2i8..=2).prop_map(f32::from),
        1 => proptest::num::f32::NORMAL | proptest::num::f32::SUBNORMAL | proptest::num::f32::ZERO,
    ];
    // not zero, which stores with the metric cosine reject
    vec(value, DIM).prop_filter("not zero", |vector| vector.iter().any(|&value| value != 0.0))
}

fn entry() -> impl Strategy<Value = Entry> {
    (id(), vector(), any::<String>(), option::of(metadata())).prop_map(|(id, vector, text, metadata)| Entry {
        id,
        vector,
        text,
        metadata,
    })
}

/// Removes entries that repeat an id.
fn with_distinct_ids(mut entries: Vec<Entry>) -> Vec<Entry> {
    let mut ids = HashSet::new();
    entries.retain(|entry| ids.insert(entry.id.clone()));
    entries
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        4 => vec(entry(), 0..5).prop_map(|entries| Change::Upsert(with_distinct_ids(entries))),
        2 => vec(id(), 0..3).prop_map(Change::Delete),
        1 => Just(Change::Reopen),
    ]
}

fn metric() -> impl Strategy<Value = Metric> {
    proptest::sample::select(&Metric::ALL[..])
}

/// The model of a store: a map, and the ids in order of insertion.
#[derive(Default)]
struct Model {
    order: Vec<String>,
    entries: HashMap<String, Entry>,
}

impl Model {
    fn upsert(&mut self, entry: &Entry) {
        if self.entries.insert(entry.id.clone(), entry.clone()).is_none() {
            self.order.push(entry.id.clone());
        }
    }

    fn delete(&mut self, id: &str) {
        self.entries.remove(id);
        self.order.retain(|known| known != id);
    }

    /// All ids with their scores, best first, by a stable sort.
    fn search(&self, metric: Metric, query: &[f32], count: usize) -> Vec<(String, f32)> {
        let mut scored: Vec<_> =
            self.order.iter().map(|id| (id.clone(), metric.score(query, &self.entries[id].vector))).collect();
        scored.sort_by(|a, b| {
            let ascending = a.1.partial_cmp(&b.1).unwrap();
            if metric.is_distance() { ascending } else { ascending.reverse() }
        });
        scored.truncate(count);
        scored
    }
}

/// A vector as a quantized store returns it.
fn dequantized(dtype: VectorDtype, vector: &[f32]) -> Vec<f32> {
    match dtype {
        VectorDtype::F32 => vector.to_vec(),
        VectorDtype::Int8 => Int8::from_values(DIM, Int8::quantize(vector).unwrap()).unwrap().vector(0),
        VectorDtype::Binary => Binary::from_bytes(DIM, &Binary::quantize(vector).unwrap()).unwrap().vector(0),
    }
}

fn assert_same(store: &dyn VectorStore, model: &Model, query: &[f32], count: usize) {
    assert_eq!(store.count().unwrap(), model.order.len());
    for id in ["a", "b", "nowhere"].into_iter().chain(model.order.iter().map(String::as_str)) {
        assert_eq!(store.get(id).unwrap().as_ref(), model.entries.get(id), "{id:?}");
    }
    let hits = store.search(query, count).unwrap();
    let found: Vec<_> = hits.iter().map(|hit| (hit.id.clone(), hit.score)).collect();
    assert_eq!(found, model.search(store.metric(), query, count));
    for hit in hits {
        let entry = &model.entries[&hit.id];
        assert_eq!((&hit.text, &hit.metadata), (&entry.text, &entry.metadata));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn stores_behave_like_a_map_and_a_sort(
        metric in metric(), changes in vec(change(), 1..10), query in vector(), count in 0usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let (mut model, mut latest) = (Model::default(), Model::default());
        let mut memory = MemoryStore::new(DIM, metric).unwrap();
        let mut local = LocalStore::create(folder.path(), StoreConfig::new(DIM).with_metric(metric)).unwrap();
        for change in changes {
            match change {
                Change::Upsert(entries) => {
                    for entry in &entries {
                        model.upsert(entry);
                        // in a local store, a replaced entry comes last
                        latest.delete(&entry.id);
                        latest.upsert(entry);
                    }
                    memory.upsert(entries.clone()).unwrap();
                    local.upsert(entries).unwrap();
                }
                Change::Delete(ids) => {
                    ids.iter().for_each(|id| model.delete(id));
                    ids.iter().for_each(|id| latest.delete(id));
                    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
                    memory.delete(&ids).unwrap();
                    local.delete(&ids).unwrap();
                }
                Change::Reopen => {
                    drop(local);
                    local = LocalStore::open(folder.path()).unwrap();
                }
            }
            assert_same(&memory, &model, &query, count);
            assert_same(&local, &latest, &query, count);
        }
        let read = LocalStore::open_read_only(folder.path()).unwrap();
        assert_eq!(read.metric(), metric);
        assert_same(&read, &latest, &query, count);
    }

    #[test]
    fn a_quantized_store_behaves_like_a_map_and_a_sort(
        first in proptest::sample::select(&VectorDtype::ALL[..]),
        second in proptest::sample::select(&VectorDtype::ALL[..]),
        changes in vec(change(), 1..10), query in vector(), count in 0usize..12,
    ) {
        // all vectors are candidates
        let config = QuantizedStoreConfig { first, second, oversampling: usize::MAX, ..QuantizedStoreConfig::new(DIM) };
        let mut store = QuantizedStore::new(config).unwrap();
        let mut model = Model::default();
        for change in changes {
            match change {
                Change::Upsert(entries) => {
                    for entry in &entries {
                        model.upsert(&Entry { vector: dequantized(second, &entry.vector), ..entry.clone() });
                    }
                    store.upsert(entries).unwrap();
                }
                Change::Delete(ids) => {
                    ids.iter().for_each(|id| model.delete(id));
                    store.delete(&ids.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
                }
                Change::Reopen => store.flush().unwrap(),
            }
            prop_assert_eq!(store.count().unwrap(), model.order.len());
            for id in &model.order {
                prop_assert_eq!(&store.get(id).unwrap().unwrap(), &model.entries[id]);
            }
            let found = store.search(&query, count).unwrap();
            let expected = model.search(Metric::Cosine, &query, count);
            prop_assert_eq!(found.len(), expected.len());
            for (hit, (_, score)) in found.iter().zip(expected) {
                // the store computes cosines from integers, the model from rounded unit vectors
                prop_assert!((hit.score - score).abs() <= 1e-6, "{} {}", hit.score, score);
            }
        }
    }

    #[test]
    fn similarities_equal_the_textbook_sums(pairs in vec((-1e3f32..1e3, -1e3f32..1e3), 1..100)) {
        let (a, b): (Vec<f32>, Vec<f32>) = pairs.iter().copied().unzip();
        let wide = |x: f32| f64::from(x);
        let product: f64 = pairs.iter().map(|&(x, y)| wide(x) * wide(y)).sum();
        let size: f64 = pairs.iter().map(|&(x, y)| (wide(x) * wide(y)).abs()).sum();
        let squares = |v: &[f32]| v.iter().map(|&x| wide(x).powi(2)).sum::<f64>();
        let distance = pairs.iter().map(|&(x, y)| (wide(x) - wide(y)).powi(2)).sum::<f64>().sqrt();
        // the documented error bounds, doubled for the rounding of the sums above
        let (n, double, single) = (pairs.len() as f64, 2f64.powi(-51), 2f64.powi(-24));
        prop_assert!((wide(dot(&a, &b)) - product).abs() <= n * double * size + single * product.abs());
        prop_assert!((wide(euclidean(&a, &b)) - distance).abs() <= (n * double + single) * distance);
        let lengths = (squares(&a) * squares(&b)).sqrt();
        if lengths > 0.0 {
            prop_assert!((wide(cosine(&a, &b)) - product / lengths).abs() <= single + 2.0 * n * double);
        }
    }

    #[test]
    fn similarities_are_symmetric(a in vector(), b in vector()) {
        for metric in Metric::ALL {
            prop_assert_eq!(metric.score(&a, &b).to_bits(), metric.score(&b, &a).to_bits());
        }
    }

    #[test]
    fn top_k_is_a_stable_sort_cut_short(scores in vec(-3i8..3, 0..40), count in 0usize..50) {
        let scores: Vec<f32> = scores.into_iter().map(f32::from).collect();
        let mut sorted: Vec<_> = scores.iter().copied().enumerate().collect();
        sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
        sorted.truncate(count);
        prop_assert_eq!(top_k(scores, count), sorted);
    }
}
