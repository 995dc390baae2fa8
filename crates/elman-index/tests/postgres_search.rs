//! Search in the PostgreSQL store.
#![cfg(feature = "postgres")]

mod postgres_server;

use elman_index::{
    Comparison, Entry, Field, Filter, MemoryStore, Metadata, Metric, PostgresStore, Scalar, StoreConfig, VectorStore,
};
use postgres_server::{Table, server};
use proptest::{prelude::*, sample::select, test_runner::TestRunner};
use serde_json::{Value, json};

fn object(value: Value) -> Metadata {
    value.as_object().cloned().unwrap()
}

#[test]
fn high_dimensions_are_searched_without_an_index() {
    let Some(server) = server() else { return };
    for dim in [2_001, 16_000] {
        let table = Table::new(&server);
        let mut store = PostgresStore::create(&table.address(), StoreConfig::new(dim)).unwrap();
        let vector = |n: usize| (0..dim).map(|axis| if axis == n { 2.0 } else { 0.01 }).collect::<Vec<f32>>();
        let entries: Vec<Entry> = (0..9).map(|n| Entry::new(n.to_string(), vector(n), "")).collect();
        store.upsert(entries.clone()).unwrap();
        assert_eq!(store.search(&vector(7), 1).unwrap()[0].id, "7");
        assert_eq!(store.get("3").unwrap().as_ref(), Some(&entries[3]));
    }
}

/// Entries with pseudo-random vectors, a number, and a rare field.
fn random_entries(count: usize, dim: usize) -> Vec<Entry> {
    let mut state = 1u64;
    // Knuth's linear congruential generator; only the upper bits are good
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let entry = |n: usize| {
        let vector = (0..dim).map(|_| random()).collect();
        let mut metadata = object(json!({"n": n}));
        if n % 4_000 == 1_000 {
            metadata.insert("mark".into(), "rare".into());
        }
        Entry::new(format!("id {n}"), vector, format!("text {n}")).with_metadata(metadata)
    };
    (0..count).map(entry).collect()
}

#[test]
fn filters_find_all_matches_and_the_index_has_high_recall() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let entries = random_entries(10_000, 16);
    let mut store = PostgresStore::create(&table.address(), StoreConfig::new(16)).unwrap();
    let mut memory = MemoryStore::new(16, Metric::Cosine).unwrap();
    store.upsert(entries.clone()).unwrap();
    memory.upsert(entries).unwrap();
    let query = [0.5; 16];

    let rare = "mark = 'rare'".parse().unwrap();
    for count in [3, 10, 5_000, usize::MAX] {
        let hits = store.search_where(&query, count, &rare).unwrap();
        assert_eq!(hits, memory.search_where(&query, count, &rare).unwrap());
        assert_eq!(hits.len(), 3);
    }
    // with the index, which is approximate, and exact
    for filter in [None, Some("n >= 5000".parse().unwrap())] {
        for (count, at_least) in [(10, 9), (200, 190), (1_001, 1_001), (usize::MAX, 5_000)] {
            let (hits, expected) = match &filter {
                None => (store.search(&query, count).unwrap(), memory.search(&query, count).unwrap()),
                Some(filter) => (
                    store.search_where(&query, count, filter).unwrap(),
                    memory.search_where(&query, count, filter).unwrap(),
                ),
            };
            assert_eq!(hits.len(), expected.len());
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
            let found = expected.iter().filter(|hit| hits.contains(hit)).count();
            assert!(found >= at_least.min(expected.len()), "{found} of {count}");
        }
    }
    assert_eq!(store.ids(Some(&"n >= 9998".parse().unwrap())).unwrap(), ["id 9998", "id 9999"]);
    let mut visited = 0;
    store.visit(None, &mut |entry| visited += usize::from(entry.id == format!("id {visited}"))).unwrap();
    assert_eq!(visited, 10_000);
}

#[test]
fn filters_agree_with_filter_matches() {
    let Some(server) = server() else { return };
    let table = Table::new(&server);
    let mut store = PostgresStore::create(&table.address(), StoreConfig::new(1)).unwrap();
    let values = [
        json!(0),
        json!(-0.0),
        json!(1),
        json!(1.5),
        json!(9_007_199_254_740_993_u64),
        json!(1e300),
        json!(true),
        json!(false),
        json!("1"),
        json!("true"),
        json!(""),
        json!("a"),
        json!("a\u{1}"),
        json!("B"),
        json!("ä"),
        json!("\u{1f980}"),
        json!("\u{ffff}"),
        json!(null),
        json!([1]),
        json!({"0": 1}),
        json!({"a": "a"}),
    ];
    let mut entries = vec![Entry::new("none", vec![1.0], "")];
    for (n, a) in values.iter().enumerate() {
        for (m, b) in values.iter().enumerate().filter(|(m, _)| (n + m) % 3 == 0) {
            let metadata = object(json!({"a": a, "b": b}));
            entries.push(Entry::new(format!("{n} {m}"), vec![1.0], "").with_metadata(metadata));
        }
    }
    store.upsert(entries.clone()).unwrap();

    let numbers = select(vec![0.0, -0.0, 1.0, 1.5, 9_007_199_254_740_992.0, 1e300, -1.0, f64::INFINITY, f64::NAN]);
    let texts = select(vec!["1", "true", "", "a", "a\u{1}", "a\0", "b", "\0", "ä", "\u{1f980}", "\u{10000}", "B"]);
    let scalar = prop_oneof![
        any::<bool>().prop_map(Scalar::Bool),
        numbers.prop_map(Scalar::Number),
        texts.prop_map(|text| Scalar::Text(text.into())),
    ];
    let field = select(vec![vec!["a"], vec!["b"], vec!["a", "0"], vec!["b", "a"]])
        .prop_map(|keys| Field::new(keys.into_iter().map(String::from).collect()));
    let comparison = select(vec![
        Comparison::Equal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ]);
    let leaf = prop_oneof![
        (field.clone(), comparison, scalar.clone())
            .prop_map(|(field, sign, value)| Filter::Compare(field, sign, value)),
        (field, prop::collection::vec(scalar, 0..5)).prop_map(|(field, values)| Filter::In(field, values)),
    ];
    let filter = leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::And),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Filter::Or),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    });
    let mut runner = TestRunner::new(ProptestConfig { cases: 400, failure_persistence: None, ..Default::default() });
    let result = runner.run(&filter, |filter| {
        let expected: Vec<&str> = entries
            .iter()
            .filter(|entry| filter.matches(entry.metadata.as_ref()))
            .map(|entry| entry.id.as_str())
            .collect();
        prop_assert_eq!(store.ids(Some(&filter)).unwrap(), expected);
        Ok(())
    });
    result.unwrap();
    let error = store.ids(Some(&Filter::In(Field::from("a\0"), vec![Scalar::Bool(true)]))).unwrap_err();
    assert_eq!(error.to_string(), "no entry has the field \"a\\u{0}\": entries have a, a.\"0\", a.a, b, b.\"0\", b.a");
}
