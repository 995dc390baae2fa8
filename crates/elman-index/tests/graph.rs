//! The HNSW graph of a local store: recall, updates, and fallback to exact search.
#![cfg(feature = "graph")]

use std::{fs, path::PathBuf};

use elman_index::{Entry, Filter, Hit, IndexError, LocalStore, Metric, StoreConfig, VectorStore};
use serde_json::json;

const DIM: usize = 32;
const COUNT: usize = 4000;

/// A pseudo-random vector with values between -1 and 1.
fn vector(seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 2 + 1;
    (0..DIM)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Entry n. `group` has 1,000 values, `half` has 2.
fn entry(n: usize) -> Entry {
    let metadata = json!({"group": n % 1000, "half": n % 2, "n": n});
    Entry::new(format!("id {n}"), vector(n), format!("text {n}")).with_metadata(metadata.as_object().unwrap().clone())
}

struct TestStore {
    folder: tempfile::TempDir,
    store: LocalStore,
}

fn create(metric: Metric) -> TestStore {
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalStore::create(folder.path(), StoreConfig::new(DIM).with_metric(metric)).unwrap();
    store.upsert((0..COUNT).map(entry).collect()).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    TestStore { folder, store }
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| &*hit.id).collect()
}

/// Recall@10 over some queries. Also checks that scores are exact.
fn recall(store: &LocalStore, filter: Option<&Filter>) -> f64 {
    let (mut found, mut all) = (0, 0);
    // exact filtered searches are slow
    for query in (1_000_000..).map(vector).take(if filter.is_some() { 10 } else { 50 }) {
        let exact = store.search_exact(&query, 10, filter).unwrap();
        let hits = match filter {
            Some(filter) => store.search_where(&query, 10, filter).unwrap(),
            None => store.search(&query, 10).unwrap(),
        };
        assert_eq!(hits.len(), exact.len());
        for hit in &hits {
            let entry = store.get(&hit.id).unwrap().unwrap();
            assert_eq!(hit.score, store.metric().score(&query, &entry.vector));
            assert!(filter.is_none_or(|filter| filter.matches(hit.metadata.as_ref())));
        }
        found += exact.iter().filter(|hit| hits.contains(hit)).count();
        all += exact.len();
    }
    if all == 0 { 1.0 } else { found as f64 / all as f64 }
}

fn graph_file(test: &TestStore) -> PathBuf {
    let mut files = fs::read_dir(test.folder.path()).unwrap().map(|file| file.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "usearch"));
    file.expect("the store has a graph")
}

#[test]
fn recall_is_high() {
    for metric in Metric::ALL {
        let TestStore { store, folder } = create(metric);
        let found = recall(&store, None);
        assert!(found >= 0.95, "{metric}: {found}");
        // the graph is used: a smaller ef has lower recall
        let low_ef = LocalStore::open_read_only(folder.path()).unwrap().with_expansion(1);
        let lower = recall(&low_ef, None);
        assert!(lower < found, "{metric}: {lower} {found}");
    }
}

#[test]
fn changes_after_the_build_are_found() {
    let TestStore { mut store, folder } = create(Metric::Cosine);
    let reader = LocalStore::open_read_only(folder.path()).unwrap();
    for n in [COUNT, COUNT + 1] {
        store.upsert(vec![entry(n)]).unwrap();
        for store in [&store, &reader] {
            assert_eq!(ids(&store.search(&vector(n), 1).unwrap()), [format!("id {n}")]);
        }
    }
    // replace the vector of an entry in the graph
    store.upsert(vec![Entry { vector: vector(77_777), ..entry(3) }]).unwrap();
    for store in [&store, &reader] {
        assert_eq!(ids(&store.search(&vector(77_777), 1).unwrap()), ["id 3"]);
        assert_ne!(ids(&store.search(&vector(3), 1).unwrap()), ["id 3"]);
    }
    let graph = store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT, 1, 3));
    // delete the 100 nearest
    let query = vector(5);
    let nearest = store.search_exact(&query, 100, None).unwrap();
    store.delete(&ids(&nearest)).unwrap();
    for store in [&store, &reader] {
        let hits = store.search(&query, 10).unwrap();
        assert_eq!(hits.len(), 10);
        assert!(hits.iter().all(|hit| !nearest.contains(hit)));
    }
    assert!(recall(&store, None) >= 0.95);
}

#[test]
fn filters_find_all_matches() {
    let TestStore { mut store, folder: _folder } = create(Metric::Cosine);
    // too many matches for exact search, and some entries that are not in the graph
    store.upsert((COUNT..COUNT + 21_000).map(entry).collect()).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    store.upsert((COUNT + 21_000..COUNT + 21_100).map(entry).collect()).unwrap();
    for (filter, at_least) in [
        ("group = 7", 1.0),
        ("group = 8 and half = 0", 1.0),
        ("half = 1 and n > 24000", 1.0),
        ("n >= 0", 0.9),
        ("not half = 0", 0.9),
        ("half in (0, 1) and not n < 23000", 0.9),
        // few matches, which the upper bound does not show
        ("not n < 25095", 1.0),
        ("n >= 0 and not group != 7", 1.0),
        ("not n >= 0", 1.0),
    ] {
        let found = recall(&store, Some(&filter.parse().unwrap()));
        assert!(found >= at_least, "{filter}: {found}");
    }
}

#[test]
fn a_damaged_graph_is_not_used() {
    let test = create(Metric::Cosine);
    let folder = test.folder.path();
    let low_ef = || LocalStore::open_read_only(folder).unwrap().with_expansion(1);
    // a query for which a search with low ef differs from an exact search
    let differs =
        |query: &Vec<f32>| low_ef().search(query, 10).unwrap() != test.store.search_exact(query, 10, None).unwrap();
    let query = (123_456..).map(vector).find(differs).unwrap();
    let exact = test.store.search_exact(&query, 10, None).unwrap();
    let searched = || low_ef().search(&query, 10).unwrap();
    let approximate = searched();
    let (graph, json) = (graph_file(&test), folder.join("graph.json"));
    for file in [&graph, &json] {
        let intact = fs::read(file).unwrap();
        for offset in (0..intact.len()).step_by(intact.len() / 400 + 1) {
            let mut flipped = intact.clone();
            flipped[offset] ^= 1;
            fs::write(file, &flipped).unwrap();
            if *file == graph {
                assert_eq!(searched(), exact, "byte {offset}");
            } else {
                // some bytes have no effect, such as whitespace
                let found = searched();
                assert!(found == exact || found == approximate, "byte {offset}");
            }
        }
        fs::write(file, &intact[..intact.len() / 2]).unwrap();
        assert_eq!(searched(), exact);
        fs::remove_file(file).unwrap();
        assert_eq!(searched(), exact);
        fs::write(file, &intact).unwrap();
        assert_ne!(searched(), exact);
    }
    // the graph of another store
    let mut other = create(Metric::Cosine);
    other.store.upsert(vec![entry(COUNT)]).unwrap();
    other.store.build_graph(|_, _| {}).unwrap();
    fs::copy(graph_file(&other), &graph).unwrap();
    assert_eq!(searched(), exact);
    fs::copy(other.folder.path().join("graph.json"), &json).unwrap();
    assert_eq!(searched(), exact);
}

#[test]
fn a_build_extends_or_replaces_the_graph() {
    let mut test = create(Metric::Cosine);
    let first = graph_file(&test);
    test.store.upsert((COUNT..COUNT + 100).map(entry).collect()).unwrap();
    let reader = LocalStore::open_read_only(test.folder.path()).unwrap();
    reader.search(&vector(0), 10).unwrap();
    let mut progress = Vec::new();
    test.store.build_graph(|done, of| progress.push((done, of))).unwrap();
    assert_eq!(progress.last(), Some(&(100, 100)), "only new entries are added");
    let graph = test.store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT + 100, 0, 0));
    assert!(!first.exists() && graph.bytes == fs::metadata(graph_file(&test)).unwrap().len());
    // an open reader uses the new graph
    assert!(recall(&reader, None) >= 0.95);
    // delete half of the entries
    let gone: Vec<String> = (0..COUNT / 2).map(|n| format!("id {n}")).collect();
    test.store.delete(&gone.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert!(recall(&test.store, None) >= 0.95);
    test.store.build_graph(|_, _| {}).unwrap();
    let graph = test.store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT / 2 + 100, 0, 0));
    // a store this small needs no graph
    assert!(!test.store.needs_graph().unwrap());
}

#[test]
fn an_older_copy_of_the_database_does_not_use_the_graph() {
    let mut test = create(Metric::Cosine);
    let copy = tempfile::tempdir().unwrap();
    let folder = test.folder.path().to_path_buf();
    drop(test.store); // checkpoints the log
    fs::copy(folder.join("store.sqlite"), copy.path().join("store.sqlite")).unwrap();
    test.store = LocalStore::open(&folder).unwrap();
    test.store.upsert(vec![entry(COUNT)]).unwrap();
    test.store.build_graph(|_, _| {}).unwrap();
    for file in [graph_file(&test), folder.join("graph.json")] {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    let old = LocalStore::open_read_only(copy.path()).unwrap().with_expansion(1);
    assert_eq!((old.count().unwrap(), old.graph().unwrap()), (COUNT, None));
    assert_eq!(recall(&old, None), 1.0);
}

#[test]
fn builds_that_cannot_run_are_errors() {
    let test = create(Metric::Cosine);
    let folder = test.folder.path();
    let error = LocalStore::open_read_only(folder).unwrap().build_graph(|_, _| {}).unwrap_err();
    assert!(matches!(error, IndexError::ReadOnly { .. }), "{error}");
    let lock = fs::File::create(folder.join("graph.lock")).unwrap();
    lock.lock().unwrap();
    let error = LocalStore::open(folder).unwrap().build_graph(|_, _| {}).unwrap_err();
    assert!(matches!(error, IndexError::Locked { .. }), "{error}");
    drop(lock);
    // the next build removes the files of a killed build
    fs::write(folder.join("graph-0123.usearch"), "half").unwrap();
    let mut store = LocalStore::open(folder).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    assert!(!folder.join("graph-0123.usearch").exists());
    // an empty store
    let empty = tempfile::tempdir().unwrap();
    let mut store = LocalStore::create(empty.path(), StoreConfig::new(DIM)).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    assert_eq!(store.search(&vector(1), 3).unwrap(), []);
}

#[test]
fn concurrent_searches() {
    let TestStore { store, folder: _folder } = create(Metric::Cosine);
    let queries = || (0..200).map(vector);
    let expected: Vec<_> = queries().map(|query| store.search(&query, 3).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for (query, expected) in queries().zip(&expected) {
                    assert_eq!(store.search(&query, 3).unwrap(), *expected);
                }
            });
        }
    });
}

/// Without repair, 1 in 100 entries that 16 threads add to usearch concurrently are unreachable.
#[test]
fn entries_added_by_many_threads_are_reachable() {
    let many = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
    // not dot: a vector's greatest dot product can be with another vector
    for metric in [Metric::Cosine, Metric::Euclidean] {
        let TestStore { store, folder: _folder } = many.install(|| create(metric));
        let is_unreachable = |&n: &usize| ids(&store.search(&vector(n), 1).unwrap()) != [format!("id {n}")];
        let unreachable: Vec<_> = (0..COUNT).filter(is_unreachable).collect();
        // a few can stay unreachable, as in any HNSW graph
        assert!(unreachable.len() <= COUNT / 1000, "{metric}: {unreachable:?}");
    }
}
