//! `elman classify`: training, evaluation, saved classifiers and errors.

mod common;

use std::fs;

use common::TestDir;

/// A directory with a model, and 40 texts of words and 40 of numbers in `data.tsv`.
fn setup() -> TestDir {
    let dir = TestDir::new();
    dir.train();
    let text = fs::read_to_string(dir.path("text.txt")).unwrap();
    let words = text.lines().take(40).map(|line| format!("{line}\twords\n"));
    let numbers = (0..40).map(|n| format!("{} {} {}\tnumbers\n", n * 37, n * n, 9 * n + 5));
    dir.write("data.tsv", words.chain(numbers).collect::<String>());
    dir
}

#[test]
fn train_run_eval() {
    let dir = setup();
    let report = dir.run("classify train data.tsv --model model --out sorter --json").json();
    let validation = &report["cross_validation"];
    assert!(validation["accuracy"].as_f64().unwrap() > 0.9, "{report}");
    assert_eq!(validation["accuracies"].as_array().unwrap().len(), 5);
    assert_eq!((report["examples"].as_u64(), report["d_embedding"].as_u64()), (Some(80), Some(16)));
    assert_eq!(report["labels"], serde_json::json!(["numbers", "words"]));

    dir.write("new.txt", "5 88 19\nthe mouse ran from the sea\n");
    let lines = dir.run("classify run new.txt --classifier sorter").succeeds();
    let labels: Vec<(&str, f64)> = lines
        .lines()
        .map(|line| line.split_once('\t').map(|(label, p)| (label, p.parse().unwrap())).unwrap())
        .collect();
    assert_eq!(labels.iter().map(|(label, _)| *label).collect::<Vec<_>>(), ["numbers", "words"]);
    assert!(labels.iter().all(|(_, probability)| *probability > 0.5));
    let lines = dir.run("classify run new.txt --classifier sorter --json").succeeds();
    let second: serde_json::Value = serde_json::from_str(lines.lines().nth(1).unwrap()).unwrap();
    assert_eq!((&second["text"], &second["label"]), (&"the mouse ran from the sea".into(), &"words".into()));
    let both = ["words", "numbers"].map(|label| second["probabilities"][label].as_f64().unwrap());
    assert!((both[0] + both[1] - 1.0).abs() < 1e-9 && both[0] == second["probability"].as_f64().unwrap());

    // the same rows in another format, with other column names
    let rows = fs::read_to_string(dir.path("data.tsv")).unwrap();
    let object = |line: &str| {
        let (text, label) = line.split_once('\t').unwrap();
        serde_json::json!({"sentence": text, "id": 7, "kind": label}).to_string() + "\n"
    };
    dir.write("data.jsonl", rows.lines().map(object).collect::<String>());
    let scores = dir.run("classify eval data.tsv --classifier sorter --json").json();
    let columns = "--text-column sentence --label-column kind";
    assert_eq!(dir.run(&format!("classify eval data.jsonl {columns} --classifier sorter --json")).json(), scores);
    assert!(scores["accuracy"].as_f64().unwrap() > 0.9);
    assert_eq!(scores["labels"][0]["label"], "numbers");
    assert_eq!((scores["examples"].as_u64(), scores["labels"][1]["examples"].as_u64()), (Some(80), Some(40)));
    let table = dir.run("classify eval data.tsv --classifier sorter").succeeds();
    assert!(table.starts_with("accuracy ") && table.lines().count() == 4, "{table}");
    let again = format!("classify train data.jsonl {columns} --model model --out again");
    assert!(dir.run(&again).succeeds().contains("accuracy in 5-fold cross-validation"));
    assert_eq!(fs::read(dir.path("again")).unwrap(), fs::read(dir.path("sorter")).unwrap());
}

#[test]
fn more_than_two_labels() {
    let dir = setup();
    let rows = fs::read_to_string(dir.path("data.tsv")).unwrap();
    let repeated = (0..9).map(|n| format!("{}\tletters\n", "zz".repeat(n + 2)));
    dir.write("three.csv", rows.replace('\t', ",") + &repeated.collect::<String>().replace('\t', ","));
    let report = dir.run("classify train three.csv --model model --out three --folds 3 --pool max --json").json();
    assert_eq!(report["labels"].as_array().unwrap().len(), 3);
    assert!(report["cross_validation"]["accuracy"].as_f64().unwrap() > 0.8, "{report}");
    dir.run("classify eval three.csv --classifier three").succeeds();
}

#[test]
fn a_classifier_records_its_model() {
    let dir = setup();
    dir.run("classify train data.tsv --model model --out sorter --folds 0").succeeds();
    fs::rename(dir.path("model"), dir.path("moved")).unwrap();
    dir.run("classify run text.txt --classifier sorter")
        .fails(1, "cannot load the model of the classifier 'sorter' (if it has moved, pass --model)");
    dir.run("classify run text.txt --classifier sorter --model moved").succeeds();
    dir.run("train text.txt --out moved --force --tokens char --hidden 16 --layers 1 --epochs 1").succeeds();
    dir.run("classify run text.txt --classifier sorter --model moved")
        .fails(1, "the classifier 'sorter' was trained with another model or other settings than 'moved'");
    dir.run("classify run text.txt --classifier text.txt").fails(1, "'text.txt' is not a classifier");
    dir.run("classify run text.txt --classifier nowhere").fails(1, "cannot read 'nowhere'");
    let good = fs::read(dir.path("sorter")).unwrap();
    dir.write("sorter", &good[..good.len() / 2]);
    dir.run("classify eval data.tsv --classifier sorter").fails(1, "'sorter' is not a classifier");
}

#[test]
fn invalid_examples_are_reported() {
    let dir = setup();
    let train = |name: &str, content: &str, options: &str| {
        dir.write(name, content);
        dir.run(&format!("classify train {name} --model model --out sorter {options}"))
    };
    train("a.tsv", "", "").fails(1, "'a.tsv' is empty");
    train("a.tsv", "text\tlabel\n", "").fails(1, "'a.tsv' has no examples");
    train("a.tsv", "a\tx\nb\tx\n", "").fails(1, "all examples have the label 'x': a classifier needs at least two");
    train("a.tsv", "a\tx\nb\t \n", "").fails(1, "'a.tsv', line 2: the column 'label' must be a label, not ' '");
    train("a.tsv", "a\tx\nb\n", "").fails(1, "'a.tsv', line 2, has 1 columns, expected 2 (text, label)");
    train("a.csv", "sentence,label\n", "").fails(1, "'a.csv' has no column 'text': it has sentence, label");
    train("a.jsonl", "{\"text\": 1\n", "").fails(1, "'a.jsonl', line 1, is not a row of JSON");
    train("a.parquet", "PAR1", "").fails(1, "'a.parquet' is not a valid Parquet file");
    train("a.doc", "a", "").fails(1, "the name must end in .tsv, .csv, .jsonl");
    let rare = "a\tx\nb\tx\nc\tx\nd\ty\ne\ty\n";
    train("a.tsv", rare, "").fails(1, "5 folds need at least 5 examples of each label, but 'y' has 2");
    train("a.tsv", rare, "--folds 1").fails(2, "folds must be at least 2, not 1");
    train("a.tsv", rare, "--c 0").fails(2, "C must be a number above 0, not 0");
    assert!(!dir.path("sorter").exists());
    train("a.tsv", rare, "--folds 2").succeeds();
    train("a.tsv", rare, "--folds 2").fails(2, "'sorter' already exists: use another --out, or --force");
    train("a.tsv", rare, "--folds 0 --force").succeeds();
    dir.run("classify train a.tsv --model model --out no/such/c").fails(1, "cannot write 'no/such/c'");

    dir.write("other.tsv", "a\tx\nb\tz\n");
    dir.run("classify eval other.tsv --classifier sorter")
        .fails(1, "'other.tsv', line 2: unknown label 'z': the classifier has 'x', 'y'");
    dir.write("other.tsv", "text\tlabel\n");
    dir.run("classify eval other.tsv --classifier sorter").fails(1, "'other.tsv' has no examples");
}
