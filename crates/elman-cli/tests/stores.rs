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

#[test]
fn a_word_among_others_without_spaces_is_found_first() {
    let place = Place::new();
    let (who, what) = (["老师", "邻居", "学校", "港口"], ["买了门票", "修了窗户", "收到信件", "关了大门"]);
    let line = |n: usize| format!("{}昨天{}，第{n}次。\n", who[n % 4], what[n / 4 % 4]);
    let mut lines: Vec<String> = (0..200).map(line).collect();
    lines[120] = "律师说仓库的租约五月到期。\n".into();
    place.write("lines.txt", lines.concat());
    place.run("index lines.txt --store store").succeeds();
    for query in ["租约", "律", "租约,昨日"] {
        let found = place.run(&format!("search {query} --store store --hybrid -k 3 --json")).json();
        assert_eq!(found[0]["id"], "lines.txt:121", "{query}: {found}");
    }
}

#[test]
fn a_block_of_zeros_is_an_error_of_every_command() {
    let place = Place::new();
    place.run("index text.txt --store store").succeeds();
    let path = place.path("store/store.sqlite");
    let bytes = std::fs::read(&path).unwrap();
    let commands =
        ["store info store", "search cat --store store", "store duplicates store", "search cat --store store --hybrid"];
    let right = commands.map(|command| place.run(command).succeeds());
    let mut refused = 0;
    for start in (4096..bytes.len()).step_by(8192) {
        let mut zeroed = bytes.clone();
        zeroed[start..start + 4096].fill(0);
        std::fs::write(&path, &zeroed).unwrap();
        for (command, right) in commands.iter().zip(&right) {
            let answer = place.run(command);
            if answer.stderr().contains("error: ") {
                answer.fails(1, "store.sqlite' is damaged");
                refused += 1;
            } else {
                assert_eq!(answer.succeeds(), *right, "{command}: zeros at {start}");
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn texts_of_which_the_model_knows_nothing_are_like_no_other() {
    let place = Place::new();
    let nothing = "\u{1f419}\u{1f419}\n\u{1f980}\n\u{1f363} \u{1f363}\n";
    place.write("odd.txt", format!("{nothing}the crab walked away\nplease pay the bill\n\u{1f980} the crab\n"));
    let indexed = place.run("index odd.txt --store store");
    assert!(indexed.stderr().contains("note: 3 texts have nothing that the model knows"), "{}", indexed.stderr());
    // the model that comes with the program has [UNK]
    let answer = place.run("search \u{1f419} --store store --json");
    assert_eq!(answer.json(), serde_json::json!([]));
    assert_eq!(answer.stderr(), "note: the model knows nothing of the query\n");
    let answer = place.run("search \u{1f419}.crab --store store --json");
    assert_eq!(answer.json().as_array().map(Vec::len), Some(3));
    assert!(answer.stderr().contains("note: the model does not know 1 of the query's tokens and reads [UNK] instead"));
    let same = place.run("store duplicates store --threshold 0.99 --json").json();
    assert!(!same.to_string().contains("odd.txt"), "{same}");
    place.write("lines.txt", "\u{1f419}\nthe crab\n\n");
    let vectors = place.run("embed lines.txt").succeeds();
    let is_zero = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["embedding"].as_array().unwrap().iter().all(|x| x == 0.0)
    };
    assert_eq!(vectors.lines().map(is_zero).collect::<Vec<_>>(), [true, false, true]);
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
