//! Where a store is, and what is beside it.

mod common;

use common::Place;

#[test]
fn an_address_that_is_none_is_told_of_without_its_password() {
    let place = Place::new();
    for (address, expected) in [
        ("http://me:geheim@host/x", "use a folder, postgres://… or milvus://…"),
        #[cfg(not(feature = "postgres"))]
        ("postgres://me:geheim@host/x", "without the feature 'postgres'"),
        #[cfg(feature = "postgres")]
        ("postgres://me:geheim@host:x/x", "is no address of a server"),
    ] {
        for command in ["index text.txt --store", "search cat --store", "store info"] {
            let answer = place.run(&format!("{command} {address}"));
            answer.fails(2, expected);
            assert!(!answer.stderr().contains("geheim"), "{}", answer.stderr());
        }
    }
    #[cfg(feature = "postgres")]
    {
        let answer = place.run("search cat --store postgres://me:geheim@127.0.0.1:1/x");
        answer.fails(1, "does not answer");
        assert!(!answer.stderr().contains("geheim"), "{}", answer.stderr());
    }
}

#[test]
fn an_exact_search_is_that_of_all_vectors() {
    let place = Place::new();
    place.run("index text.txt --store store").succeeds();
    let all = place.run("search cat --store store --json").json();
    assert_eq!(place.run("search cat --store store --json --exact").json(), all);
    place.run("search cat --store store --exact --hybrid").fails(2, "cannot be used with");
}

#[test]
fn words_that_the_model_does_not_know_are_still_words() {
    let place = Place::new();
    place.write("odd.txt", "\u{10330}\u{10331} and a cat\nthe dog\n");
    place.run("index odd.txt --store store").succeeds();
    let found = place.run("search \u{10330}\u{10331} --store store --hybrid --json").json();
    assert_eq!(found[0]["id"], "odd.txt:1", "{found}");
}

#[cfg(feature = "graph")]
#[test]
fn a_graph_is_made_and_told_of() {
    let place = Place::new();
    place.run("index text.txt --store store").succeeds();
    let info = place.run("store info store --json").json();
    assert!(info.get("graph").is_none(), "{info}");
    let graph = place.run("store graph store --json").json();
    assert_eq!(graph["entries"], 60);
    place.write("more.txt", "one more line about a cat\n");
    place.run("index more.txt --store store").succeeds();
    let info = place.run("store info store").succeeds();
    assert!(info.contains("graph      60 entries, 1 new since, "), "{info}");
    place.run("store graph nowhere").fails(1, "holds no store");
}
