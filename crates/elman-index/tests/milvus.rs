//! What the store in Milvus does beyond what every store does. `ELMAN_TEST_MILVUS` holds the address of a server, and
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
use milvus_server::{Collection, is_given};
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
fn an_address_where_no_server_is_is_given_up_soon() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let error = server_error(MilvusStore::open(&format!("milvus://me:geheim@{free}")));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("refused") && !shown.contains("geheim"), "{shown}");
    assert!(begun.elapsed() < Duration::from_secs(20));

    let error = server_error(MilvusStore::open("milvus://nowhere.invalid"));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
    assert!(matches!(server_error(MilvusStore::open("http://localhost")), ServerError::Address { .. }));
}

#[test]
fn what_is_no_milvus_is_given_up_soon() {
    // takes connections and says nothing, like a server that waits to be spoken to otherwise
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    for scheme in ["milvus", "milvuss"] {
        let begun = Instant::now();
        let error = server_error(MilvusStore::open(&format!("{scheme}://{}", other.local_addr().unwrap())));
        assert!(matches!(error, ServerError::Failed { .. }), "{error}");
        assert!(error.to_string().contains("did not answer as Milvus does within 5s"), "{error}");
        assert_eq!(error.to_string().contains("TLS"), scheme == "milvuss", "{error}");
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
}

#[test]
fn a_store_is_made_once_and_says_what_it_holds() {
    if !is_given() {
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
    // what one has changed the other sees
    other.delete(&["id 00001"]).unwrap();
    assert_eq!((store.count().unwrap(), store.ids(None).unwrap()), (2, vec!["id 00000".into(), "id 00002".into()]));
}

#[test]
fn limits_of_a_store_are_told_before_it_is_made() {
    let error = MilvusStore::create("milvus://localhost", StoreConfig::new(40_000)).unwrap_err();
    assert_eq!(error.to_string(), "vectors of 40000 dimensions cannot be stored: use 1 to 32768");
    let error =
        MilvusStore::create("milvus://localhost", StoreConfig::new(2).with_model("x".repeat(5000))).unwrap_err();
    assert!(matches!(error, IndexError::ModelIdentity { .. }));
}

/// A collection of two dimensions that says this of itself.
fn foreign(about: Option<Value>) -> Collection {
    let collection = Collection::new();
    let text = |name: &str| FieldSchema::new().name(name).data_type(DataType::VarChar).max_length(100);
    let schema = CollectionSchema::new()
        .add_field(text("id").primary_key(true))
        .add_field(text("text"))
        .add_field(FieldSchema::new().name("metadata").data_type(DataType::Json).nullable(true))
        .add_field(FieldSchema::new().name("vector").data_type(DataType::FloatVector).dimension(2));
    let properties = about.map(|about| ("elman".to_string(), about.to_string())).into_iter();
    let request = CreateCollectionRequest::builder()
        .collection_name(collection.name())
        .schema(schema)
        .properties(HashMap::from_iter(properties));
    let request = request.build().unwrap();
    collection.with(|client| async move { client.create_collection(request).await });
    collection
}

#[test]
fn what_elman_did_not_make_is_not_opened() {
    if !is_given() {
        return;
    }
    let about = json!({"format": 1, "d_embed": 2, "metric": "dot", "model": null});
    let with = |name: &str, value: Value| {
        let mut about = about.clone();
        about[name] = value;
        Some(about)
    };
    for (about, expected) in [
        (None, "does not say what it holds"),
        (Some(json!({"a": 1})), "does not say its format"),
        (with("format", 2.into()), "has format version 2, and this program reads version 1: use a newer one"),
        (with("d_embed", 3.into()), "says that its vectors have 3 dimensions, and they have 2"),
        (with("metric", "hamming".into()), "damaged"),
    ] {
        let collection = foreign(about);
        let error = server_error(MilvusStore::open(collection.url()));
        assert!(matches!(error, ServerError::NotAStore { .. }), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    // and one whose maker was stopped before it had an index is
    let collection = foreign(Some(about.clone()));
    let mut store = MilvusStore::open(collection.url()).unwrap();
    store.upsert(vec![numbered(7)]).unwrap();
    assert_eq!((store.search(&FIRST, 3).unwrap()[0].score, store.metric()), (1.0, Metric::Dot));
}

#[test]
fn what_is_too_long_is_refused_before_anything_changes() {
    if !is_given() {
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
fn answers_that_are_longer_than_a_message_come_in_parts() {
    if !is_given() {
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
fn a_large_store_is_searched_read_and_filtered_whole() {
    if !is_given() {
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
        // nothing of these is told to the server
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

    // more than a server returns
    let hits = store.search(&FIRST, usize::MAX).unwrap();
    assert_eq!(hits.len(), COUNT);
    assert!(hits.is_sorted_by(|a, b| a.score <= b.score));
    let mut ids: Vec<&str> = hits.iter().map(|hit| hit.id.as_str()).collect();
    ids.sort_unstable();
    let all = store.ids(None).unwrap();
    assert!(all.iter().eq(&ids) && all.len() == COUNT);
    assert_eq!(store.ids(Some(&"n < 3".parse().unwrap())).unwrap(), ["id 00000", "id 00001", "id 00002"]);
    assert_eq!(store.fields().unwrap(), ["n"]);

    // more ids than are asked for at once
    store.delete(&ids[..10_000]).unwrap();
    store.upsert((19_000..21_000).map(numbered).collect()).unwrap();
    assert_eq!(store.count().unwrap(), 11_000);
}

#[test]
fn an_asynchronous_program_may_use_it() {
    if !is_given() {
        return;
    }
    let collection = Collection::new();
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let mut store = MilvusStore::create(collection.url(), StoreConfig::new(2)).unwrap();
        store.upsert((0..3).map(numbered).collect()).unwrap();
        assert_eq!(store.search(&FIRST, 1).unwrap()[0].id, "id 00000");
    });
}

/// A server of this test's own.
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

    /// Kills it as a power cut would, and starts it again.
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
fn a_server_that_is_killed_and_started_again_loses_nothing() {
    const COUNT: usize = 20_000;
    let Ok(program) = env::var("ELMAN_MILVUS_LITE") else {
        assert!(env::var_os("ELMAN_REQUIRE_SERVERS").is_none(), "ELMAN_MILVUS_LITE holds no path");
        println!("left out: ELMAN_MILVUS_LITE holds no path of the program milvus-lite");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("milvus://127.0.0.1:{port}");
    let mut server = Server::start(&program, folder.path(), port);
    let begun = Instant::now();
    let mut store = loop {
        match MilvusStore::create(&url, StoreConfig::new(2)) {
            Ok(store) => break store,
            Err(error) if begun.elapsed() > Duration::from_secs(60) => panic!("{error}"),
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
    // not loaded then
    assert_eq!(reader.search(&FIRST, 3).unwrap().len(), 3);
    drop(server);
    let error = server_error(MilvusStore::open(&url));
    assert!(matches!(error, ServerError::Unreachable { .. }), "{error}");
}
