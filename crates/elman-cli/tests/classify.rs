//! Labels from vectors: what is learned, what is kept, and what is said of mistakes.

mod common;

use std::fs;

use common::Place;

/// A place with a model, and 40 texts of words and 40 of numbers in `data.tsv`.
fn place() -> Place {
    let place = Place::new();
    place.train();
    let text = fs::read_to_string(place.path("text.txt")).unwrap();
    let words = text.lines().take(40).map(|line| format!("{line}\twords\n"));
    let numbers = (0..40).map(|n| format!("{} {} {}\tnumbers\n", n * 37, n * n, 9 * n + 5));
    place.write("data.tsv", words.chain(numbers).collect::<String>());
    place
}

#[test]
fn train_run_eval() {
    let place = place();
    let report = place.run("classify train data.tsv --model model --out sorter --json").json();
    let validation = &report["cross_validation"];
    assert!(validation["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    assert_eq!(validation["accuracies"].as_array().unwrap().len(), 5);
    assert_eq!((report["examples"].as_u64(), report["d_embedding"].as_u64()), (Some(80), Some(16)));
    assert_eq!(report["labels"], serde_json::json!(["numbers", "words"]));

    place.write("new.txt", "5 88 19\nthe mouse ran from the sea\n");
    let lines = place.run("classify run new.txt --classifier sorter").succeeds();
    let labels: Vec<(&str, f64)> = lines
        .lines()
        .map(|line| line.split_once('\t').map(|(label, p)| (label, p.parse().unwrap())).unwrap())
        .collect();
    assert_eq!(labels.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["numbers", "words"]);
    assert!(labels.iter().all(|(_, probability)| *probability > 0.5));
    let lines = place.run("classify run new.txt --classifier sorter --json").succeeds();
    let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&second["text"], &second["label"]), (&"the mouse ran from the sea".into(), &"words".into()));
    let both = ["words", "numbers"].map(|label| second["probabilities"][label].as_f64().unwrap());
    assert!((both[0] + both[1] - 1.0).abs() < 1e-9 && both[0] == second["probability"].as_f64().unwrap());

    // the same rows in another format, and columns of other names
    let rows = fs::read_to_string(place.path("data.tsv")).unwrap();
    let object = |line: &str| {
        let (text, label) = line.split_once('\t').unwrap();
        serde_json::json!({"sentence": text, "id": 7, "kind": label}).to_string() + "\n"
    };
    place.write("data.jsonl", rows.lines().map(object).collect::<String>());
    let scores = place.run("classify eval data.tsv --classifier sorter --json").json();
    let columns = "--text-column sentence --label-column kind";
    assert_eq!(place.run(&format!("classify eval data.jsonl {columns} --classifier sorter --json")).json(), scores);
    assert!(scores["accuracy"].as_f64().unwrap() > 0.9);
    assert_eq!(scores["labels"][0]["label"], "numbers");
    assert_eq!((scores["examples"].as_u64(), scores["labels"][1]["examples"].as_u64()), (Some(80), Some(40)));
    let table = place.run("classify eval data.tsv --classifier sorter").succeeds();
    assert!(table.starts_with("accuracy ") && table.lines().count() == 4, "{table}");
    let again = format!("classify train data.jsonl {columns} --model model --out again");
    assert!(place.run(&again).succeeds().contains("accuracy in 5-fold cross-validation"));
    assert_eq!(fs::read(place.path("again")).unwrap(), fs::read(place.path("sorter")).unwrap());
}

#[test]
fn more_than_two_labels() {
    let place = place();
    let rows = fs::read_to_string(place.path("data.tsv")).unwrap();
    let repeated = (0..9).map(|n| format!("{}\tletters\n", "zz".repeat(n + 2)));
    place.write("three.csv", rows.replace('\t', ",") + &repeated.collect::<String>().replace('\t', ","));
    let report = place.run("classify train three.csv --model model --out three --folds 3 --pool max --json").json();
    assert_eq!(report["labels"].as_array().unwrap().len(), 3);
    assert!(report["cross_validation"]["accuracy"].as_f64().unwrap() > 0.8, "{report}");
    place.run("classify eval three.csv --classifier three").succeeds();
}

#[test]
fn a_classifier_knows_its_model() {
    let place = place();
    place.run("classify train data.tsv --model model --out sorter --folds 0").succeeds();
    fs::rename(place.path("model"), place.path("moved")).unwrap();
    place
        .run("classify run text.txt --classifier sorter")
        .fails(1, "the model of the classifier 'sorter' cannot be loaded (if it has moved, give --model)");
    place.run("classify run text.txt --classifier sorter --model moved").succeeds();
    place.run("train text.txt --out moved --force --tokens char --hidden 16 --layers 1 --epochs 1").succeeds();
    place
        .run("classify run text.txt --classifier sorter --model moved")
        .fails(1, "the classifier 'sorter' was trained with another model or other settings than 'moved' has now");
    place.run("classify run text.txt --classifier text.txt").fails(1, "'text.txt' is no classifier");
    place.run("classify run text.txt --classifier nowhere").fails(1, "cannot read 'nowhere'");
    let good = fs::read(place.path("sorter")).unwrap();
    place.write("sorter", &good[..good.len() / 2]);
    place.run("classify eval data.tsv --classifier sorter").fails(1, "'sorter' is no classifier");
}

#[test]
fn examples_that_cannot_be_learned_from() {
    let place = place();
    let train = |name: &str, content: &str, options: &str| {
        place.write(name, content);
        place.run(&format!("classify train {name} --model model --out sorter {options}"))
    };
    train("a.tsv", "", "").fails(1, "'a.tsv' is empty");
    train("a.tsv", "text\tlabel\n", "").fails(1, "'a.tsv' has no examples");
    train("a.tsv", "a\tx\nb\tx\n", "").fails(1, "all examples have the label 'x': a classifier needs at least two");
    train("a.tsv", "a\tx\nb\t \n", "").fails(1, "'a.tsv', line 2: the column 'label' must be a label, and is ' '");
    train("a.tsv", "a\tx\nb\n", "").fails(1, "'a.tsv', line 2, has 1 columns where 2 (text, label) are expected");
    train("a.csv", "sentence,label\n", "").fails(1, "'a.csv' has no column 'text': it has sentence, label");
    train("a.jsonl", "{\"text\": 1\n", "").fails(1, "'a.jsonl', line 1, is not a row of JSON");
    train("a.parquet", "PAR1", "").fails(1, "'a.parquet' is not a Parquet file that can be read");
    train("a.doc", "a", "").fails(1, "the name must end in .tsv, .csv, .jsonl");
    let rare = "a\tx\nb\tx\nc\tx\nd\ty\ne\ty\n";
    train("a.tsv", rare, "").fails(1, "5 folds need at least 5 examples of each label, and 'y' has 2");
    train("a.tsv", rare, "--folds 1").fails(2, "folds must be at least 2, not 1");
    train("a.tsv", rare, "--strength 0").fails(2, "the strength must be a number above 0, not 0");
    assert!(!place.path("sorter").exists());
    train("a.tsv", rare, "--folds 2").succeeds();
    train("a.tsv", rare, "--folds 2").fails(2, "'sorter' is there already: choose another --out, or replace it with");
    train("a.tsv", rare, "--folds 0 --force").succeeds();
    place.run("classify train a.tsv --model model --out no/such/c").fails(1, "cannot write 'no/such/c'");

    place.write("other.tsv", "a\tx\nb\tz\n");
    place
        .run("classify eval other.tsv --classifier sorter")
        .fails(1, "'other.tsv', line 2: the label 'z' is unknown: the classifier has 'x', 'y'");
    place.write("other.tsv", "text\tlabel\n");
    place.run("classify eval other.tsv --classifier sorter").fails(1, "'other.tsv' has no examples");
}
