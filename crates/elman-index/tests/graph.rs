//! The graph beside a store: it finds what an exact search finds, and never stands in the way of it.
#![cfg(feature = "graph")]

use std::{fs, path::PathBuf};

use elman_index::{Entry, Filter, Hit, IndexError, LocalStore, Metric, StoreConfig, VectorStore};
use serde_json::json;

const D_EMBED: usize = 32;
const COUNT: usize = 4000;

/// Numbers that look random, between -1 and 1.
fn vector(seed: usize) -> Vec<f32> {
    let mut state = seed as u64 * 2 + 1;
    (0..D_EMBED)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Entry n is in one of 1,000 `group`s, and one of 2 `half`s.
fn entry(n: usize) -> Entry {
    let metadata = json!({"group": n % 1000, "half": n % 2, "n": n});
    Entry::new(format!("id {n}"), vector(n), format!("text {n}")).with_metadata(metadata.as_object().unwrap().clone())
}

struct Made {
    folder: tempfile::TempDir,
    store: LocalStore,
}

fn made(metric: Metric) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let mut store = LocalStore::create(folder.path(), StoreConfig::new(D_EMBED).with_metric(metric)).unwrap();
    store.upsert((0..COUNT).map(entry).collect()).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    Made { folder, store }
}

fn ids(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| &*hit.id).collect()
}

/// The part of the true ten nearest that is found, over some queries. Scores are exact whatever is found.
fn recall(store: &LocalStore, filter: Option<&Filter>) -> f64 {
    let (mut found, mut all) = (0, 0);
    // filters are slow to be answered exactly
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

fn graph_file(made: &Made) -> PathBuf {
    let mut files = fs::read_dir(made.folder.path()).unwrap().map(|file| file.unwrap().path());
    let file = files.find(|path| path.extension().is_some_and(|extension| extension == "usearch"));
    file.expect("there is a graph")
}

#[test]
fn nearly_all_of_the_true_neighbours_are_found() {
    for metric in Metric::ALL {
        let Made { store, folder } = made(metric);
        let found = recall(&store, None);
        assert!(found >= 0.95, "{metric}: {found}");
        // by the graph: one that looks at less finds less
        let hasty = LocalStore::open_read_only(folder.path()).unwrap().with_expansion(1);
        let less = recall(&hasty, None);
        assert!(less < found, "{metric}: {less} {found}");
    }
}

#[test]
fn what_changes_after_it_is_found_at_once() {
    let Made { mut store, folder } = made(Metric::Cosine);
    let reader = LocalStore::open_read_only(folder.path()).unwrap();
    for n in [COUNT, COUNT + 1] {
        store.upsert(vec![entry(n)]).unwrap();
        for store in [&store, &reader] {
            assert_eq!(ids(&store.search(&vector(n), 1).unwrap()), [format!("id {n}")]);
        }
    }
    // another vector under an id that is in the graph
    store.upsert(vec![Entry { vector: vector(77_777), ..entry(3) }]).unwrap();
    for store in [&store, &reader] {
        assert_eq!(ids(&store.search(&vector(77_777), 1).unwrap()), ["id 3"]);
        assert_ne!(ids(&store.search(&vector(3), 1).unwrap()), ["id 3"]);
    }
    let graph = store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT, 1, 3));
    // the nearest hundred are gone
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
fn filters_find_as_many_as_there_are() {
    let Made { mut store, folder: _folder } = made(Metric::Cosine);
    // too many to be read one by one, and some behind the graph
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
        // what the bound cannot know to be few
        ("not n < 25095", 1.0),
        ("n >= 0 and not group != 7", 1.0),
        ("not n >= 0", 1.0),
    ] {
        let found = recall(&store, Some(&filter.parse().unwrap()));
        assert!(found >= at_least, "{filter}: {found}");
    }
}

#[test]
fn one_that_is_damaged_is_not_used() {
    let made = made(Metric::Cosine);
    let folder = made.folder.path();
    let hasty = || LocalStore::open_read_only(folder).unwrap().with_expansion(1);
    // one for which a graph that looks at little finds other hits than all of the vectors
    let differs =
        |query: &Vec<f32>| hasty().search(query, 10).unwrap() != made.store.search_exact(query, 10, None).unwrap();
    let query = (123_456..).map(vector).find(differs).unwrap();
    let exact = made.store.search_exact(&query, 10, None).unwrap();
    let searched = || hasty().search(&query, 10).unwrap();
    let by_graph = searched();
    let (graph, json) = (graph_file(&made), folder.join("graph.json"));
    for file in [&graph, &json] {
        let whole = fs::read(file).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 400 + 1) {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(file, &flipped).unwrap();
            if *file == graph {
                assert_eq!(searched(), exact, "byte {at}");
            } else {
                // what is not read is of no account, such as a blank
                let found = searched();
                assert!(found == exact || found == by_graph, "byte {at}");
            }
        }
        fs::write(file, &whole[..whole.len() / 2]).unwrap();
        assert_eq!(searched(), exact);
        fs::remove_file(file).unwrap();
        assert_eq!(searched(), exact);
        fs::write(file, &whole).unwrap();
        assert_ne!(searched(), exact);
    }
    // that of another store
    let mut other = self::made(Metric::Cosine);
    other.store.upsert(vec![entry(COUNT)]).unwrap();
    other.store.build_graph(|_, _| {}).unwrap();
    fs::copy(graph_file(&other), &graph).unwrap();
    assert_eq!(searched(), exact);
    fs::copy(other.folder.path().join("graph.json"), &json).unwrap();
    assert_eq!(searched(), exact);
}

#[test]
fn it_is_made_anew_when_there_is_reason_to() {
    let mut made = made(Metric::Cosine);
    let first = graph_file(&made);
    made.store.upsert((COUNT..COUNT + 100).map(entry).collect()).unwrap();
    let reader = LocalStore::open_read_only(made.folder.path()).unwrap();
    reader.search(&vector(0), 10).unwrap();
    let mut told = Vec::new();
    made.store.build_graph(|done, of| told.push((done, of))).unwrap();
    assert_eq!(told.last(), Some(&(100, 100)), "what was there is kept");
    let graph = made.store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT + 100, 0, 0));
    assert!(!first.exists() && graph.bytes == fs::metadata(graph_file(&made)).unwrap().len());
    // a reader finds the new one
    assert!(recall(&reader, None) >= 0.95);
    // much of it gone
    let gone: Vec<String> = (0..COUNT / 2).map(|n| format!("id {n}")).collect();
    made.store.delete(&gone.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    assert!(recall(&made.store, None) >= 0.95);
    made.store.build_graph(|_, _| {}).unwrap();
    let graph = made.store.graph().unwrap().unwrap();
    assert_eq!((graph.entries, graph.gone, graph.new), (COUNT / 2 + 100, 0, 0));
    // for so few there is no need of one
    assert!(!made.store.needs_graph().unwrap());
}

#[test]
fn an_older_copy_of_the_database_does_not_use_it() {
    let mut made = made(Metric::Cosine);
    let copy = tempfile::tempdir().unwrap();
    let folder = made.folder.path().to_path_buf();
    drop(made.store); // with its log
    fs::copy(folder.join("store.sqlite"), copy.path().join("store.sqlite")).unwrap();
    made.store = LocalStore::open(&folder).unwrap();
    made.store.upsert(vec![entry(COUNT)]).unwrap();
    made.store.build_graph(|_, _| {}).unwrap();
    for file in [graph_file(&made), folder.join("graph.json")] {
        fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
    }
    let old = LocalStore::open_read_only(copy.path()).unwrap().with_expansion(1);
    assert_eq!((old.count().unwrap(), old.graph().unwrap()), (COUNT, None));
    assert_eq!(recall(&old, None), 1.0);
}

#[test]
fn what_cannot_be_made_is_refused() {
    let made = made(Metric::Cosine);
    let folder = made.folder.path();
    let error = LocalStore::open_read_only(folder).unwrap().build_graph(|_, _| {}).unwrap_err();
    assert!(matches!(error, IndexError::ReadOnly { .. }), "{error}");
    let lock = fs::File::create(folder.join("graph.lock")).unwrap();
    lock.lock().unwrap();
    let error = LocalStore::open(folder).unwrap().build_graph(|_, _| {}).unwrap_err();
    assert!(matches!(error, IndexError::Locked { .. }), "{error}");
    drop(lock);
    // what a program that was killed has left goes with the next
    fs::write(folder.join("graph-0123.usearch"), "half").unwrap();
    let mut store = LocalStore::open(folder).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    assert!(!folder.join("graph-0123.usearch").exists());
    // nothing to make it of
    let empty = tempfile::tempdir().unwrap();
    let mut store = LocalStore::create(empty.path(), StoreConfig::new(D_EMBED)).unwrap();
    store.build_graph(|_, _| {}).unwrap();
    assert_eq!(store.search(&vector(1), 3).unwrap(), []);
}

#[test]
fn many_can_search_at_once() {
    let Made { store, folder: _folder } = made(Metric::Cosine);
    let queries = || (0..200).map(vector);
    let alone: Vec<_> = queries().map(|query| store.search(&query, 3).unwrap()).collect();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                for (query, alone) in queries().zip(&alone) {
                    assert_eq!(store.search(&query, 3).unwrap(), *alone);
                }
            });
        }
    });
}

/// usearch loses 1 in 100 of what so many threads add at once, unless it is looked for.
#[test]
fn what_threads_add_at_once_is_found() {
    let many = rayon::ThreadPoolBuilder::new().num_threads(16).build().unwrap();
    // the greatest product of a vector can be that with another
    for metric in [Metric::Cosine, Metric::Euclidean] {
        let Made { store, folder: _folder } = many.install(|| made(metric));
        let is_lost = |&n: &usize| ids(&store.search(&vector(n), 1).unwrap()) != [format!("id {n}")];
        let lost: Vec<_> = (0..COUNT).filter(is_lost).collect();
        // one may be in the shadow of another
        assert!(lost.len() <= COUNT / 1000, "{metric}: {lost:?}");
    }
}
