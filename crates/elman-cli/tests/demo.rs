//! The demonstration shows what it promises.

mod common;

use std::fs;

use common::Place;

#[test]
fn the_network_comes_near_the_ideal_and_parts_nouns_from_verbs() {
    let place = Place::new();
    let found = place.run("demo --json").json();
    let figure =
        |path: &str| found.pointer(path).and_then(|value| value.as_f64()).unwrap_or_else(|| panic!("no {path}"));

    let (network, ideal) = (figure("/loss/network"), figure("/loss/ideal"));
    assert!(network < 1.05 * ideal, "{network} against {ideal}");
    // the ideal predictor knows the grammar: nothing is better, but for the luck of some thousand words
    assert!(network > 0.995 * ideal, "{network} against {ideal}");
    assert!(ideal < figure("/loss/bigram") && figure("/loss/bigram") < figure("/loss/unigram"));

    let share = |model: &str| figure(&format!("/writing/{model}/share"));
    assert!(share("network") >= 0.95, "{}", share("network"));
    assert!(share("unigram") < share("bigram") && share("bigram") < 0.6);

    for split in ["noun_verb", "animate_inanimate"] {
        assert_eq!(figure(&format!("/words/{split}/purity")), 1.0, "{split}");
        assert!(figure(&format!("/words/{split}/shuffled")) < 0.7, "{split}");
    }
    assert!(figure("/search/same_template/share") > 0.9 && figure("/search/same_template/chance") < 0.1);

    let page = fs::read_to_string(place.path("elman-demo/report.html")).unwrap();
    for text in ["Finding structure in time", "woman", "NOUN-HUM", "ideal predictor"] {
        assert!(page.contains(text), "no '{text}' in the report");
    }
    for file in ["words.svg", "tree.svg", "curve.svg"] {
        assert!(fs::read_to_string(place.path("elman-demo").join(file)).unwrap().starts_with("<svg"), "{file}");
    }

    // what it says about going on is true
    place.run("demo --out elman-demo --device nothing").fails(2, "unknown device"); // and not: it is in the way
    place.run("generate --model elman-demo --prompt woman --max-tokens 5").succeeds();
    place.run("index elman-demo/sentences.txt --model elman-demo --store elman-demo/store").succeeds();
    let hits = place.run("search dragon --store elman-demo/store -k 3").succeeds();
    assert_eq!(hits.lines().count(), 3);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let place = Place::new();
    fs::create_dir(place.path("mine")).unwrap();
    for file in ["model.safetensors", "report.html", "sentences.txt", "words.svg"] {
        let mine = place.path("mine").join(file);
        fs::write(&mine, "precious").unwrap();
        let message = format!("'mine' has a {file} that is not of a demo: choose another --out");
        place.run("demo --out mine").fails(2, &message);
        assert_eq!(fs::read_to_string(&mine).unwrap(), "precious");
        assert_eq!(fs::read_dir(place.path("mine")).unwrap().count(), 1, "nothing is written");
        fs::remove_file(mine).unwrap();
    }
}
