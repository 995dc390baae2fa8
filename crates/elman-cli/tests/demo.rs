//! `elman demo` reproduces the results of the paper.

mod common;

use std::fs;

use common::TestDir;

#[test]
fn the_network_approaches_the_ideal_and_separates_nouns_from_verbs() {
    let dir = TestDir::new();
    let found = dir.run("demo --json").json();
    let metric =
        |path: &str| found.pointer(path).and_then(|value| value.as_f64()).unwrap_or_else(|| panic!("no {path}"));

    let (network, ideal) = (metric("/loss/network"), metric("/loss/ideal"));
    assert!(network < 1.05 * ideal, "{network} against {ideal}");
    // the ideal predictor knows the grammar: the network can be better by chance only, on a few thousand words
    assert!(network > 0.995 * ideal, "{network} against {ideal}");
    assert!(ideal < metric("/loss/bigram") && metric("/loss/bigram") < metric("/loss/unigram"));

    let share = |model: &str| metric(&format!("/writing/{model}/share"));
    assert!(share("network") >= 0.95, "{}", share("network"));
    assert!(share("unigram") < share("bigram") && share("bigram") < 0.6);

    for split in ["noun_verb", "animate_inanimate"] {
        assert_eq!(metric(&format!("/words/{split}/purity")), 1.0, "{split}");
        assert!(metric(&format!("/words/{split}/shuffled")) < 0.7, "{split}");
    }
    assert!(metric("/search/same_template/share") > 0.9 && metric("/search/same_template/chance") < 0.1);

    let page = fs::read_to_string(dir.path("elman-demo/report.html")).unwrap();
    for text in ["Finding structure in time", "woman", "NOUN-HUM", "ideal predictor"] {
        assert!(page.contains(text), "no '{text}' in the report");
    }
    for file in ["words.svg", "tree.svg", "curve.svg"] {
        assert!(fs::read_to_string(dir.path("elman-demo").join(file)).unwrap().starts_with("<svg"), "{file}");
    }

    // the commands that it suggests work
    dir.run("demo --out elman-demo --device nothing").fails(2, "unknown device"); // not that the directory exists
    dir.run("generate --model elman-demo --prompt woman --max-tokens 5").succeeds();
    dir.run("index elman-demo/sentences.txt --model elman-demo --store elman-demo/store").succeeds();
    let hits = dir.run("search dragon --store elman-demo/store -k 3").succeeds();
    assert_eq!(hits.lines().count(), 3);
}

#[test]
fn files_of_others_are_not_overwritten() {
    let dir = TestDir::new();
    fs::create_dir(dir.path("mine")).unwrap();
    for file in ["model.safetensors", "report.html", "sentences.txt", "words.svg"] {
        let mine = dir.path("mine").join(file);
        fs::write(&mine, "precious").unwrap();
        let message = format!("'mine' has a {file} that 'elman demo' did not write: use another --out");
        dir.run("demo --out mine").fails(2, &message);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "precious");
        assert_eq!(fs::read_dir(dir.path("mine")).unwrap().count(), 1, "nothing is written");
        fs::remove_file(mine).unwrap();
    }
}
