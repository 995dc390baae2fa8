//! Store locations, exact and hybrid search, damaged stores, unknown tokens and graphs.

mod common;

use common::TestDir;

#[test]
fn errors_about_addresses_do_not_show_passwords() {
    let dir = TestDir::new();
    for (address, expected) in [
        ("http://me:geheim@host/x", "use a folder, postgres://… or milvus://…"),
        #[cfg(not(feature = "postgres"))]
        ("postgres://me:geheim@host/x", "without the feature 'postgres'"),
        #[cfg(feature = "postgres")]
        ("postgres://me:geheim@host:x/x", "invalid server address"),
    ] {
        for command in ["index text.txt --store", "search cat --store", "store info"] {
            let result = dir.run(&format!("{command} {address}"));
            result.fails(2, expected);
            assert!(!result.stderr().contains("geheim"), "{}", result.stderr());
        }
    }
    #[cfg(feature = "postgres")]
    {
        let result = dir.run("search cat --store postgres://me:geheim@127.0.0.1:1/x");
        result.fails(1, "no response from");
        assert!(!result.stderr().contains("geheim"), "{}", result.stderr());
    }
}

#[test]
fn an_exact_search_compares_all_vectors() {
    let dir = TestDir::new();
    dir.run("index text.txt --store store").succeeds();
    let all = dir.run("search cat --store store --json").json();
    assert_eq!(dir.run("search cat --store store --json --exact").json(), all);
    dir.run("search cat --store store --exact --hybrid").fails(2, "cannot be used with");
}

#[test]
fn hybrid_search_finds_words_that_the_model_does_not_know() {
    let dir = TestDir::new();
    dir.write("odd.txt", "\u{10330}\u{10331} and a cat\nthe dog\n");
    dir.run("index odd.txt --store store").succeeds();
    let found = dir.run("search \u{10330}\u{10331} --store store --hybrid --json").json();
    assert_eq!(found[0]["id"], "odd.txt:1", "{found}");
}

#[test]
fn a_word_in_a_text_without_spaces_is_found() {
    let dir = TestDir::new();
    let (who, what) = (["老师", "邻居", "学校", "港口"], ["买了门票", "修了窗户", "收到信件", "关了大门"]);
    let line = |n: usize| format!("{}昨天{}，第{n}次。\n", who[n % 4], what[n / 4 % 4]);
    let mut lines: Vec<String> = (0..200).map(line).collect();
    lines[120] = "律师说仓库的租约五月到期。\n".into();
    dir.write("lines.txt", lines.concat());
    dir.run("index lines.txt --store store").succeeds();
    for query in ["租约", "律", "租约,昨日"] {
        let found = dir.run(&format!("search {query} --store store --hybrid -k 3 --json")).json();
        assert_eq!(found[0]["id"], "lines.txt:121", "{query}: {found}");
    }
}

#[test]
fn a_zeroed_page_is_an_error_or_has_no_effect() {
    let dir = TestDir::new();
    dir.run("index text.txt --store store").succeeds();
    let path = dir.path("store/store.sqlite");
    let bytes = std::fs::read(&path).unwrap();
    let commands =
        ["store info store", "search cat --store store", "store duplicates store", "search cat --store store --hybrid"];
    let right = commands.map(|command| dir.run(command).succeeds());
    let mut refused = 0;
    for start in (4096..bytes.len()).step_by(8192) {
        let mut zeroed = bytes.clone();
        zeroed[start..start + 4096].fill(0);
        std::fs::write(&path, &zeroed).unwrap();
        for (command, right) in commands.iter().zip(&right) {
            let result = dir.run(command);
            if result.stderr().contains("error: ") {
                result.fails(1, "store.sqlite' is damaged");
                refused += 1;
            } else {
                assert_eq!(result.succeeds(), *right, "{command}: zeros at {start}");
            }
        }
    }
    assert!(refused > 10, "{refused}");
}

#[test]
fn texts_without_known_tokens_match_nothing() {
    let dir = TestDir::new();
    let nothing = "\u{1f419}\u{1f419}\n\u{1f980}\n\u{1f363} \u{1f363}\n";
    dir.write("odd.txt", format!("{nothing}the crab crawled away\nplease pay the bill\n\u{1f980} the crab\n"));
    let indexed = dir.run("index odd.txt --store store");
    assert!(
        indexed.stderr().contains("note: skipped 3 texts without tokens that the model knows"),
        "{}",
        indexed.stderr()
    );
    // the built-in model has [UNK]
    let result = dir.run("search \u{1f419} --store store --json");
    assert_eq!(result.json(), serde_json::json!([]));
    assert_eq!(result.stderr(), "note: the model has no tokens for the query\n");
    let result = dir.run("search \u{1f419}.crab --store store --json");
    assert_eq!(result.json().as_array().map(Vec::len), Some(3));
    assert!(result.stderr().contains("note: 1 unknown token of the query replaced by [UNK]"));
    let same = dir.run("store duplicates store --threshold 0.99 --json").json();
    assert!(!same.to_string().contains("odd.txt"), "{same}");
    dir.write("lines.txt", "\u{1f419}\nthe crab\n\n");
    let vectors = dir.run("embed lines.txt").succeeds();
    let is_zero = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        row["embedding"].as_array().unwrap().iter().all(|x| x == 0.0)
    };
    assert_eq!(vectors.lines().map(is_zero).collect::<Vec<_>>(), [true, false, true]);
}

#[cfg(feature = "graph")]
#[test]
fn a_graph_is_built_and_reported() {
    let dir = TestDir::new();
    dir.run("index text.txt --store store").succeeds();
    let info = dir.run("store info store --json").json();
    assert!(info.get("graph").is_none(), "{info}");
    let graph = dir.run("store graph store --json").json();
    assert_eq!(graph["entries"], 60);
    dir.write("more.txt", "one more line about a cat\n");
    dir.run("index more.txt --store store").succeeds();
    let info = dir.run("store info store").succeeds();
    assert!(info.contains("graph      60 entries, 1 added since, "), "{info}");
    dir.run("store graph nowhere").fails(1, "holds no store");
}
