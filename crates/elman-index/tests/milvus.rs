//! Behavior of the Milvus store beyond the conformance tests. `ELMAN_TEST_MILVUS` is the address of a server,
//! `ELMAN_MILVUS_LITE` the path of the program `milvus-lite`, which one test starts and kills.
#![cfg(feature = "milvus")]

#[path = "common/milvus.rs"]
mod milvus_server;

use std::{
    collections::HashMap,
    env,
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use elman_index::{Entry, IndexError, Metadata, Metric, MilvusStore, ServerError, StoreConfig, VectorStore};
use milvus::v2::{CollectionSchema, DataType, FieldSchema, request::collection::CreateCollectionRequest};
use milvus_server::{Collection, is_available};
use serde_json::{Value, json};

const FIRST: [f32; 2] = [1.0, 0.0];

fn numbered(number: usize) -> Entry {
    let metadata = Metadata::from_iter([("n".to_string(), number.into())]);
    let vector = vec![1.0, (number % 1000) as f32 / 100.0];
    Entry::new(format!("id {number:05}"), vector, format!("text {number}")).with_metadata(metadata)
}

fn server_error(result: Result<impl Sized, IndexError>) -> ServerError {
    match result.err().expect("an error") {
        IndexError::Server(error) => error,
        error => panic!("{error}"),
    }
}

#[test]
fn an_unreachable_server_is_given_up_soon() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = Instant::now();
    let error = server_error(MilvusStore::open(&format!("milvus://me:geheim@{free}")));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("refused") && !shown.contains("geheim"), "{shown}");
    assert!(start.elapsed() < Duration::from_secs(20));

    let error = server_error(MilvusStore::open("milvus://nowhere.invalid"));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    assert!(matches!(server_error(MilvusStore::open("http://localhost")), ServerError::Address { .. }));
}

#[test]
fn a_server_that_is_not_milvus_is_given_up_soon() {
    // accepts connections and sends nothing, like a server with another protocol
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["milvus", "milvuss"] {
        let start = Instant::now();
        let error = server_error(MilvusStore::open(&format!("{scheme}://{}", other.local_addr().unwrap())));
        assert!(matches!(error, ServerError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("no Milvus server responded within 5s"), "{error}");
        assert_eq!(error.to_string().contains("TLS"), scheme == "milvuss", "{error}");
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn creating_and_opening_a_store() {
    if !is_available() {
        return;
    }
    let collection = Collection::new();
    let error = server_error(MilvusStore::open(collection.url()));
    assert!(matches!(&error, ServerError::NoStore { name, .. } if name == collection.name()), "{error}");

    let model = json!({"name": "it's \"quoted\" \\ ü", "hash": "5e88"});
    let config = StoreConfig::new(2).with_metric(Metric::Euclidean).with_model(model.clone());
    let mut store = MilvusStore::create(collection.url(), config.clone()).unwrap();
    store.upsert((0..3).map(numbered).collect()).unwrap();
    let error = server_error(MilvusStore::create(collection.url(), config));
    assert!(matches!(&error, ServerError::Exists { name, .. } if name == collection.name()), "{error}");

    let mut other = MilvusStore::open(collection.url()).unwrap();
    assert_eq!((other.dim(), other.metric(), other.model()), (2, Metric::Euclidean, &model));
    other.check_model(&model).unwrap();
    assert!(matches!(other.check_model(&"another".into()), Err(IndexError::Model { .. })));
    let error = other.upsert(vec![Entry::new("x", vec![1.0; 3], "")]).unwrap_err();
    assert!(matches!(error, IndexError::EntryDimension { expected: 2, found: 3, .. }));
    assert_eq!(other.get("id 00001").unwrap(), Some(numbered(1)));
    // each sees the changes of the other
    other.delete(&["id 00001"]).unwrap();
    assert_eq!((store.count().unwrap(), store.ids(None).unwrap()), (2, vec!["id 00000".into(), "id 00002".into()]));
}

#[test]
fn limits_are_checked_before_a_store_is_created() {
    let error = MilvusStore::create("milvus://localhost", StoreConfig::new(40_000)).unwrap_err();
    assert_eq!(error.to_string(), "vectors of 40000 dimensions cannot be stored: use 1 to 32768");
    let error =
        MilvusStore::create("milvus://localhost", StoreConfig::new(2).with_model("x".repeat(5000))).unwrap_err();
    assert!(matches!(error, IndexError::ModelIdentity { .. }));
}

/// A collection of dimension 2 with this configuration.
fn collection_with(info: Option<Value>) -> Collection {
    let collection = Collection::new();
    let text = |name: &str| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(100);
    let schema = CollectionSchema::new()
        .add_field(text("id").primary_key(true))
        .add_field(text("text"))
        .add_field(FieldSchema::new().name("metadata").data_type(DataType::Json).nullable(true))
        .add_field(FieldSchema::new().name("vector").data_type(DataType::FloatVector).dimension(2));
    let properties = info.map(|info| ("elman".to_string(), info.to_string())).into_iter();
    let request = CreateCollectionRequest::builder()
        .collection_name(collection.name())
        .schema(schema)
        .properties(HashMap::from_iter(properties));
    let request = request.build().unwrap();
    collection.with(|client| async move { client.create_collection(request).await });
    collection
}

#[test]
fn other_collections_are_errors() {
    if !is_available() {
        return;
    }
    let info = json!({"format": 1, "d_embed": 2, "metric": "dot", "model": null});
    let with = |name: &str, value: Value| {
        let mut info = info.clone();
        info[name] = value;
        Some(info)
    };
    for (info, expected) in [
        (None, "has no configuration"),
        (Some(json!({"a": 1})), "configuration has no format version"),
        (with("format", 2.into()), "has format version 2, and this program reads version 1: use a newer one"),
        (with("d_embed", 3.into()), "configuration has 3 dimensions, but its vectors have 2"),
        (with("metric", "hamming".into()), "configuration is invalid"),
    ] {
        let collection = collection_with(info);
        let error = server_error(MilvusStore::open(collection.url()));
        assert!(matches!(error, ServerError::NotAStore { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // a collection whose creation was interrupted before it had an index is opened
    let collection = collection_with(Some(info.clone()));
    let mut store = MilvusStore::open(collection.url()).unwrap();
    store.upsert(vec![numbered(7)]).unwrap();
    assert_eq!((store.search(&FIRST, 3).unwrap()[0].score, store.metric()), (1.0, Metric::Dot));
}

#[test]
fn entries_above_the_limits_are_rejected_before_anything_changes() {
    if !is_available() {
        return;
    }
    let collection = Collection::new();
    let mut store = MilvusStore::create(collection.url(), StoreConfig::new(2)).unwrap();
    let entry = |id: usize, text: usize, metadata: usize| {
        // {"a":""} has 8 bytes
        let metadata = Metadata::from_iter([("a".to_string(), "x".repeat(metadata - 8).into())]);
        Entry::new("ä".repeat(id / 2), FIRST.to_vec(), "x".repeat(text)).with_metadata(metadata)
    };
    let longest = entry(65_534, 65_535, 65_536);
    for (part, id, text, metadata) in [("id", 65_536, 1, 8), ("text", 2, 65_536, 8), ("metadata", 2, 1, 65_537)] {
        let error = server_error(store.upsert(vec![longest.clone(), entry(id, text, metadata)]));
        assert!(matches!(&error, ServerError::TooLong { part: found, .. } if *found == part), "{error}");
        assert_eq!(store.count().unwrap(), 0);
    }
    store.upsert(vec![longest.clone()]).unwrap();
    assert_eq!(store.get(&longest.id).unwrap().as_ref(), Some(&longest));
    assert_eq!(store.search(&FIRST, 1).unwrap()[0].id, longest.id);
}

#[test]
fn results_larger_than_a_message_are_read_in_batches() {
    if !is_available() {
        return;
    }
    let collection = Collection::new();
    let mut store = MilvusStore::create(collection.url(), StoreConfig::new(2)).unwrap();
    let given: Vec<Entry> =
        (0..150).map(|n| Entry { text: format!("{n}{}", "x".repeat(60_000)), ..numbered(n) }).collect();
    store.upsert(given.clone()).unwrap();
    let mut visited = Vec::new();
    store.visit(None, &mut |entry| visited.push(entry)).unwrap();
    assert!(visited == given);
    let ids: Vec<&str> = given.iter().map(|entry| entry.id.as_str()).rev().collect();
    let found = store.get_many(&[&ids[..], &["nowhere"], &ids[..1]].concat()).unwrap();
    assert_eq!(found.len(), 152);
    assert!(found[..150].iter().flatten().eq(given.iter().rev()) && found[150].is_none());
    assert_eq!(found[151].as_ref(), given.last());
    let hits = store.search(&FIRST, 150).unwrap();
    assert!(hits.iter().map(|hit| (&hit.id, &hit.text)).eq(given.iter().map(|entry| (&entry.id, &entry.text))));
}

#[test]
fn a_large_store_is_searched_read_and_filtered_completely() {
    if !is_available() {
        return;
    }
    const COUNT: usize = 20_000;
    let collection = Collection::new();
    let mut store = MilvusStore::create(collection.url(), StoreConfig::new(2).with_metric(Metric::Euclidean)).unwrap();
    store.upsert((0..COUNT).map(numbered).collect()).unwrap();
    assert_eq!(store.count().unwrap(), COUNT);
    for filter in [
        "n >= 19997",
        "n in (19997, 19998, 19999)",
        // these are not sent to the server
        "not n < 19997",
        "n != 3 and not (n < 5000 or n <= 19996)",
    ] {
        let hits = store.search_where(&FIRST, 10, &filter.parse().unwrap()).unwrap();
        let ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
        assert_eq!(ids, ["id 19997", "id 19998", "id 19999"], "{filter}");
        assert!((hits[2].score - 9.99).abs() < 1e-5);
    }
    let error = store.search_where(&FIRST, 3, &"m != 1".parse().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "no entry has the field m: entries have n");

    // more hits than a server returns
    let hits = store.search(&FIRST, usize::MAX).unwrap();
    assert_eq!(hits.len(), COUNT);
    assert!(hits.is_sorted_by(|a, b| a.score <= b.score));
    let mut ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
    ids.sort_unstable();
    let all = store.ids(None).unwrap();
    assert!(all.iter().eq(&ids) && all.len() == COUNT);
    assert_eq!(store.ids(Some(&"n < 3".parse().unwrap())).unwrap(), ["id 00000", "id 00001", "id 00002"]);
    assert_eq!(store.fields().unwrap(), ["n"]);

    // more ids than fit in a request
    store.delete(&ids[..10_000]).unwrap();
    store.upsert((19_000..21_000).map(numbered).collect()).unwrap();
    assert_eq!(store.count().unwrap(), 11_000);
}

#[test]
fn a_store_can_be_used_in_an_async_runtime() {
    if !is_available() {
        return;
    }
    let collection = Collection::new();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let mut store = MilvusStore::create(collection.url(), StoreConfig::new(2)).unwrap();
        store.upsert((0..3).map(numbered).collect()).unwrap();
        assert_eq!(store.search(&FIRST, 1).unwrap()[0].id, "id 00000");
    });
}

/// A server that a test starts and stops.
struct Server<'a> {
    folder: &'a Path,
    port: u16,
    process: Child,
}

impl<'a> Server<'a> {
    fn start(program: &str, folder: &'a Path, port: u16) -> Self {
        let process = Command::new(program)
            .args(["server", "--host", "127.0.0.1", "--port", &port.to_string(), "--data-dir"])
            .arg(folder)
            .stdout(Stdio::null())
            .spawn()
            .expect("ELMAN_MILVUS_LITE is the path of a program");
        Self { folder, port, process }
    }

    /// Kills the server as a power failure would, and restarts it.
    fn kill_and_start(self, program: &str, away: Duration) -> Self {
        let (folder, port) = (self.folder, self.port);
        drop(self);
        thread::sleep(away);
        Self::start(program, folder, port)
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

#[test]
fn nothing_is_lost_when_the_server_is_killed_and_restarted() {
    const COUNT: usize = 20_000;
    let Ok(program) = env::var("ELMAN_MILVUS_LITE") else {
        assert!(env::var_os("ELMAN_REQUIRE_SERVERS").is_none(), "ELMAN_MILVUS_LITE holds no path");
        println!("skipped: ELMAN_MILVUS_LITE holds no path of the program milvus-lite");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("milvus://127.0.0.1:{port}");
    let mut server = Server::start(&program, folder.path(), port);
    let start = Instant::now();
    let mut store = loop {
        match MilvusStore::create(&url, StoreConfig::new(2)) {
            Ok(store) => break store,
            Err(error) if start.elapsed() > Duration::from_secs(60) => panic!("{error}"),
            Err(_) => {}
        }
    };
    let reader = MilvusStore::open(&url).unwrap();
    let writer = thread::spawn(move || {
        for start in (0..COUNT).step_by(100) {
            store.upsert((start..start + 100).map(numbered).collect()).unwrap();
        }
        store
    });
    for part in [4, 2] {
        while reader.count().unwrap() < COUNT / part {
            thread::sleep(Duration::from_millis(10));
        }
        assert!(!writer.is_finished());
        server = server.kill_and_start(&program, Duration::from_secs(3));
    }
    let store = writer.join().unwrap();
    for store in [&store, &reader] {
        assert_eq!(store.count().unwrap(), COUNT);
        let mut number = 0;
        store
            .visit(None, &mut |entry| {
                assert_eq!(entry, numbered(number));
                number += 1;
            })
            .unwrap();
        assert_eq!(number, COUNT);
    }
    let server = server.kill_and_start(&program, Duration::ZERO);
    // the collection is not loaded after the restart
    assert_eq!(reader.search(&FIRST, 3).unwrap().len(), 3);
    drop(server);
    let error = server_error(MilvusStore::open(&url));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
}
