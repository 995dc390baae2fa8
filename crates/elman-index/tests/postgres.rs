//! Behavior of the PostgreSQL store beyond the conformance tests.
#![cfg(feature = "postgres")]

mod postgres_server;

use std::{
    thread,
    time::{Duration, Instant},
};

use elman_index::{
    Comparison, Entry, Field, Filter, IndexError, Metadata, Metric, PostgresStore, Scalar, ServerError, StoreConfig,
    VectorStore,
};
use postgres_server::{Table, server};
use serde_json::{Value, json};

fn object(value: Value) -> Metadata {
    value.as_object().cloned().unwrap()
}

fn failure(result: Result<PostgresStore, IndexError>) -> ServerError {
    match result {
        Err(IndexError::Server(error)) => error,
        Err(error) => panic!("another error: {error}"),
        Ok(store) => panic!("no error: {store:?}"),
    }
}

/// The error of opening an address, which must not be retried.
fn open_error(address: &str) -> ServerError {
    let start = Instant::now();
    let error = failure(PostgresStore::open(address));
    assert!(start.elapsed() < Duration::from_secs(3), "{error} was retried");
    error
}

fn replaced(server: &str, from: &str, to: &str) -> String {
    assert!(server.contains(from), "the address has {from}");
    server.replacen(from, to, 1)
}

fn password(server: &str) -> &str {
    server.split_once("elman:").and_then(|(_, rest)| rest.split_once('@')).expect("user elman with a password").0
}

#[test]
fn rejected_connections_fail_immediately_and_hide_the_password() {
    let Some(server) = server() else { return };
    let wrong = replaced(&server, password(&server), "geheim");
    let error = open_error(&wrong);
    assert!(matches!(error, ServerError::Credentials { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("geheim"));
    assert!(error.to_string().contains("password authentication failed for user \"elman\""), "{error}");

    let none = replaced(&server, &format!(":{}", password(&server)), "");
    assert!(matches!(open_error(&none), ServerError::Credentials { .. }));

    let error = open_error(&replaced(&server, "/elman?", "/nowhere?"));
    assert!(error.to_string().ends_with("database \"nowhere\" does not exist"), "{error}");
    assert!(!format!("{error} {error:?}").contains(password(&server)), "{error}");
}

#[test]
fn a_missing_pgvector_is_reported() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let bare = replaced(&table.address(), "/elman?", "/bare?");
    let error = failure(PostgresStore::create(&bare, StoreConfig::new(2)));
    assert!(matches!(error, ServerError::Unsupported { .. }), "{error:?}");
    assert!(error.to_string().contains("an administrator run CREATE EXTENSION vector"), "{error}");
    assert!(matches!(open_error(&bare), ServerError::NoStore { .. }));
}

#[test]
fn an_unreachable_server_is_given_up_soon() {
    // a port that is closed again
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let start = Instant::now();
    let error = failure(PostgresStore::open(&format!("postgres://me:geheim@127.0.0.1:{port}/base")));
    let ServerError::Unreachable { server, waited, .. } = &error else { panic!("{error:?}") };
    assert_eq!(server, &format!("postgres://me:…@127.0.0.1:{port}/base"));
    assert!(*waited > Duration::from_secs(2) && start.elapsed() < Duration::from_secs(10), "{error}");
    assert!(error.to_string().contains("Connection refused"), "{error}");
}

#[test]
fn sslmode_is_honored() {
    let Some(server) = server() else { return };
    let (plain, query) = server.split_once('?').unwrap();
    let (_, roots) = query.split_once("sslrootcert=").expect("the address names an authority");
    let localhost = plain.replace("127.0.0.1", "localhost");
    let opened = |address: String| failure(PostgresStore::open(&format!("{address}&table=nowhere")));
    for address in [
        format!("{plain}?sslmode=disable"),
        format!("{plain}?sslmode=prefer"),
        format!("{plain}?sslmode=require"),
        format!("{localhost}?sslmode=require&sslrootcert={roots}"),
        format!("{localhost}?sslmode=verify-ca&sslrootcert={roots}"),
        format!("{plain}?sslmode=verify-full&sslrootcert={roots}&channel_binding=require"),
    ] {
        let error = opened(address);
        assert!(matches!(error, ServerError::NoStore { .. }), "{error}");
    }
    // the certificate is for the IP address, and its authority is not trusted by the system
    for address in [
        format!("{localhost}?sslmode=verify-full&sslrootcert={roots}"),
        format!("{plain}?sslmode=verify-ca"),
        format!("{plain}?sslmode=verify-full&sslrootcert=system"),
    ] {
        let start = Instant::now();
        let error = opened(address);
        assert!(matches!(error, ServerError::Failed { .. } | ServerError::Address { .. }), "{error}");
        assert!(error.to_string().contains("certificate"), "{error}");
        assert!(start.elapsed() < Duration::from_secs(3), "{error} was retried");
    }
}

#[test]
fn other_tables_are_not_stores() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let error = open_error(&table.address());
    assert!(matches!(&error, ServerError::NoStore { name, .. } if format!("\"{name}\"") == table.quoted()), "{error}");

    table.execute(&format!("CREATE TABLE {}(id text)", table.quoted()));
    assert!(matches!(open_error(&table.address()), ServerError::NotAStore { .. }));
    let error = failure(PostgresStore::create(&table.address(), StoreConfig::new(2)));
    assert!(matches!(error, ServerError::Exists { .. }), "{error}");
    for (comment, reason) in [
        ("about people", "its comment has no configuration"),
        (r#"{"elman": 2}"#, "it has format version 2, and this program reads version 1: use a newer one"),
        (r#"{"elman": 1, "d_embed": 3}"#, "the configuration in its comment is invalid: missing field `metric`"),
        (
            r#"{"elman": 1, "d_embed": 0, "metric": "dot", "model": null}"#,
            "the configuration in its comment has 0 dimensions",
        ),
    ] {
        table.execute(&format!("COMMENT ON TABLE {} IS '{comment}'", table.quoted()));
        let error = open_error(&table.address());
        assert!(matches!(error, ServerError::NotAStore { .. }) && error.to_string().ends_with(reason), "{error}");
    }
}

#[test]
fn the_configuration_round_trips() {
    let Some(server) = server() else { return };
    let table = Table::named(&server, "a \"name\" with 'quotes'; -- %");
    let model = json!({"name": "it's \\ \u{0} \"π\"", "hash": [1, 2.5, null]});
    let config = StoreConfig::new(3).with_metric(Metric::Euclidean).with_model(model.clone());
    drop(PostgresStore::create(&table.address(), config).unwrap());
    let mut store = PostgresStore::open(&table.address()).unwrap();
    assert_eq!((store.dim(), store.metric(), store.model()), (3, Metric::Euclidean, &model));
    store.check_model(&model).unwrap();
    assert!(matches!(store.check_model(&"another".into()), Err(IndexError::Model { .. })));
    let error = store.upsert(vec![Entry::new("a", vec![1.0; 4], "")]).unwrap_err();
    assert!(matches!(error, IndexError::EntryDimension { expected: 3, found: 4, .. }));

    let unused = Table::new(&server);
    for dim in [0, 16_001] {
        let error = PostgresStore::create(&unused.address(), StoreConfig::new(dim)).unwrap_err();
        assert!(matches!(error, IndexError::Dimension { limit: 16_000, found } if found == dim));
    }
    let large = StoreConfig::new(2).with_model("x".repeat(5000));
    assert!(matches!(PostgresStore::create(&unused.address(), large), Err(IndexError::ModelIdentity { .. })));
    assert!(matches!(open_error(&unused.address()), ServerError::NoStore { .. }));
}

#[test]
fn sql_injection_is_impossible() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let mut store = PostgresStore::create(&table.address(), StoreConfig::new(1)).unwrap();
    let injection = format!("'); DROP TABLE {}; -- \\' $1 $$", table.quoted());
    store
        .upsert(vec![
            Entry::new(&injection, vec![1.0], &injection).with_metadata(object(json!({&injection: &injection}))),
        ])
        .unwrap();
    let field = Field::from(injection.as_str());
    for (filter, found) in [
        (Filter::Compare(field.clone(), Comparison::Equal, Scalar::Text(injection.clone())), 1),
        (Filter::In(field.clone(), vec![Scalar::Text("' OR true --".into())]), 0),
        (Filter::Compare(field, Comparison::Less, Scalar::Text("' OR '1'='1".into())), 0),
    ] {
        assert_eq!(store.search_where(&[1.0], 9, &filter).unwrap().len(), found, "{filter}");
    }
    assert_eq!(store.get(&injection).unwrap().unwrap().text, injection);
    store.delete(&["' OR true --"]).unwrap();
    assert_eq!(store.count().unwrap(), 1);
}

#[test]
fn entries_round_trip() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let mut store = PostgresStore::create(&table.address(), StoreConfig::new(2).with_metric(Metric::Dot)).unwrap();
    let numbers = json!([1e17, -2.0, 5e-324, 1e308, 0.1, 3, u64::MAX, i64::MIN, 2.5e-9]);
    let metadata = object(json!({"numbers": numbers, "none": null, "nested": {"\\": "\u{1}\u{fffd}", "": []}}));
    let long: String = (0..9_000).map(|n| char::from_u32(33 + n * 7919 % 20_000).unwrap()).collect();
    let first = Entry::new(long, vec![f32::MIN_POSITIVE, -0.0], "\r\n").with_metadata(metadata);
    let second = Entry::new("\\x41", vec![1e17, 1.5], "");
    store.upsert(vec![first.clone(), second.clone()]).unwrap();
    let found = store.get_many(&["nowhere", "\\x41", &first.id, "A", "\0", "\\x41"]).unwrap();
    assert_eq!(found, [None, Some(second.clone()), Some(first.clone()), None, None, Some(second.clone())]);
    assert_eq!(store.get_many(&[]).unwrap(), []);

    let mut visited = Vec::new();
    store.visit(None, &mut |entry| visited.push(entry)).unwrap();
    assert_eq!(visited, [first.clone(), second]);
    assert_eq!(store.fields().unwrap(), ["nested.\"\\\""]);
    store.delete(&["\0"]).unwrap();
    let error = store.upsert(vec![Entry::new("new", vec![0.0; 2], ""), Entry::new("a\0", vec![0.0; 2], "")]);
    assert!(matches!(error, Err(IndexError::Server(ServerError::Unsupported { .. }))), "{error:?}");
    assert_eq!(store.count().unwrap(), 2);
}

#[test]
fn lost_connections_are_reestablished() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let address = format!("{}&application_name=cut%20{}", table.address(), std::process::id());
    let mut store = PostgresStore::create(&address, StoreConfig::new(1)).unwrap();
    for n in 0..5 {
        table.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cut {}'",
            std::process::id()
        ));
        store.upsert(vec![Entry::new(n.to_string(), vec![1.0], "")]).unwrap();
        assert_eq!(store.count().unwrap(), n + 1);
    }
}

#[test]
fn concurrent_writes() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    drop(PostgresStore::create(&table.address(), StoreConfig::new(1)).unwrap());
    let entry = |n: usize, writer: usize| Entry::new(n.to_string(), vec![1.0], writer.to_string());
    thread::scope(|scope| {
        for writer in 0..4 {
            let address = table.address();
            scope.spawn(move || {
                let mut store = PostgresStore::open(&address).unwrap();
                for _ in 0..6 {
                    // in opposite orders, which could deadlock
                    let entries = (0..50).map(|n| entry(if writer % 2 == 0 { n } else { 49 - n }, writer));
                    store.upsert(entries.collect()).unwrap();
                }
            });
        }
    });
    let store = PostgresStore::open(&table.address()).unwrap();
    assert_eq!(store.count().unwrap(), 50);
    let mut last = Vec::new();
    store.visit(None, &mut |entry| last.push(entry.text)).unwrap();
    assert!(last.iter().all(|writer| *writer == last[0]), "an upsert is atomic: {last:?}");
}

#[test]
fn a_store_can_be_used_in_an_async_runtime_and_by_many_threads() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut store = PostgresStore::create(&table.address(), StoreConfig::new(1)).unwrap();
        store.upsert(vec![Entry::new("a", vec![1.0], "text")]).unwrap();
        thread::scope(|scope| {
            for _ in 0..12 {
                scope.spawn(|| assert_eq!(store.search(&[1.0], 1).unwrap()[0].id, "a"));
            }
        });
    });
}
