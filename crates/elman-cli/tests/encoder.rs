//! Encoders: trained on every kind of example, evaluated, exported, used in a model's place.

mod common;

use std::fs;

use common::Place;

const SMALL: &str = "--vocab 300 --embed 8 --hidden 12 --width 8 --batch 16 --epochs 2 --warmup 2 --lr 0.01";

/// A teacher's vectors of the text's lines: one number tells the cat from the dog from the mouse.
fn teacher(place: &Place, rows: usize) {
    let value = |n: usize| -> [f32; 9] { std::array::from_fn(|k| f32::from(k == n % 3) + 0.1) };
    let bytes: Vec<u8> = (0..rows).flat_map(value).flat_map(f32::to_le_bytes).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![rows, 9], &bytes).unwrap();
    place.write("teacher.safetensors", safetensors::serialize([("v", view)], None).unwrap());
}

fn train(place: &Place) {
    teacher(place, 60);
    place.run(&format!("encoder train text.txt --teacher teacher.safetensors --out encoder {SMALL}")).succeeds();
}

/// Pairs of the text's lines, whose score is 1 where both are about the same animal.
fn pairs(place: &Place) -> String {
    let text = fs::read_to_string(place.path("text.txt")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    (0..50).map(|n| format!("{}\t{}\t{}\n", lines[n], lines[n + 1 + n % 3], usize::from(n % 3 == 2))).collect()
}

#[test]
fn an_encoder_does_what_a_model_does() {
    let place = Place::new();
    train(&place);
    for file in ["config.json", "model.safetensors", "tokenizer.json", "train.jsonl"] {
        assert!(fs::metadata(place.path("encoder").join(file)).unwrap().len() > 0, "{file}");
    }
    assert!(!place.path("encoder/checkpoint.safetensors").exists() && !place.path("encoder/texts.tmp").exists());
    place.run("embed text.txt --model encoder -o v.npy").succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(place.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 8]);
    place.run("index text.txt --model encoder --store store").succeeds();
    place.run("generate --model encoder").fails(1, "'encoder' is an encoder");
    let hits = place.run("search cat --store store -k 3 --json").json();
    assert_eq!(hits.as_array().unwrap().len(), 3);
    place.run("embed text.txt --model encoder --pool max").fails(2, "--pool is for language models");
    place.run("embed text.txt --model encoder --no-normalize").fails(2, "--no-normalize is for language models");

    place.write("pairs.tsv", pairs(&place));
    let labels = fs::read_to_string(place.path("text.txt")).unwrap();
    let label = |(n, line): (usize, &str)| format!("{line}\t{}\n", ["cat", "dog", "mouse"][n % 3]);
    place.write("labels.tsv", labels.lines().enumerate().map(label).collect::<String>());
    let figures =
        place.run("encoder eval --pairs pairs.tsv --labels labels.tsv --widths 4 --model encoder --json").json();
    let figures = figures.as_array().unwrap();
    assert_eq!(figures.len(), 4);
    for (figure, (measure, width)) in
        figures.iter().zip([("spearman", 4), ("spearman", 8), ("accuracy", 4), ("accuracy", 8)])
    {
        assert_eq!((figure["measure"].as_str(), figure["width"].as_u64()), (Some(measure), Some(width)));
        assert!(figure["value"].as_f64().unwrap() > 0.4, "{figure}");
    }
    assert!(place.run("encoder eval --pairs pairs.tsv --model encoder").succeeds().contains("8 numbers, 100 texts"));
}

#[test]
fn every_kind_of_example_trains() {
    let place = Place::new();
    place.write("scored.tsv", pairs(&place));
    let two = pairs(&place).lines().map(|line| line.rsplit_once('\t').unwrap().0.to_owned() + "\n").collect::<String>();
    place.write("pairs.tsv", &two);
    place.write("triplets.tsv", two.lines().map(|line| format!("{line}\tthe sea\n")).collect::<String>());
    let json = r#"{"text": "a cat"}"#.to_owned() + "\n" + r#"{"text": "a dog and a cat"}"# + "\n";
    place.write("texts.jsonl", json.repeat(9));
    for (kind, file, more) in [
        ("pairs", "pairs.tsv", "--tokenizer known/tokenizer.json --next-word 0.1"),
        ("scored", "scored.tsv", "--top-score 1"),
        ("triplets", "triplets.tsv", "--cell lstm --bidirectional --pool attention+max"),
        ("texts", "texts.jsonl", "--matryoshka 2,4 --weights int8"),
    ] {
        if kind == "pairs" {
            place.run("train text.txt --out known --tokens bpe --vocab 300 --epochs 1 --embed 4 --hidden 4").succeeds();
        }
        let report =
            place.run(&format!("encoder train {file} --kind {kind} --out {kind} {more} {SMALL} --json")).json();
        assert!(report["examples"].as_u64().unwrap() >= 18 && report["loss"].is_number(), "{kind}: {report}");
        place.run(&format!("embed text.txt --model {kind} -o {kind}.npy")).succeeds();
    }
    // one encoder goes on from another
    place.run("encoder train pairs.tsv --kind pairs --from pairs --out more --steps 3 --batch 8").succeeds();
    place.run("encoder train text.txt --from elman-small-en --out adapted --steps 2 --batch 8").succeeds();
}

#[test]
fn an_export_has_the_same_vectors_nearly() {
    let place = Place::new();
    train(&place);
    for (weights, allowed) in [("f16", 2e-3), ("int8", 5e-2)] {
        place.run(&format!("encoder export encoder --weights {weights} --out {weights}")).succeeds();
        for file in ["modules.json", "config_sentence_transformers.json", "elman_encoder.py"] {
            assert!(place.path(weights).join(file).exists(), "{file}");
        }
        let vectors = |model: &str| -> Vec<f64> {
            let text = place.run(&format!("embed text.txt --model {model}")).succeeds();
            let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            rows.flat_map(|row| row["embedding"].as_array().unwrap().clone()).map(|x| x.as_f64().unwrap()).collect()
        };
        let (exact, found) = (vectors("encoder"), vectors(weights));
        let off = exact.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off > 0.0 && off < allowed, "{weights}: {off}");
    }
    place.run("encoder export encoder --out f16").fails(2, "already has a config.json");
    place.run(&format!("encoder train text.txt --cell min-gru --out min {SMALL}")).succeeds();
    place.run("encoder export min --out copy").fails(2, "must be rnn, gru or lstm, not min-gru");
    place.run("encoder export min --out copy --no-python --force").succeeds();
}

#[test]
fn the_encoder_that_comes_with_the_program_needs_no_file() {
    let place = Place::new();
    let rows = place.run("embed text.txt").succeeds();
    let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert!(row["embedding"].as_array().unwrap().len() >= 256);
    place.write("notes.txt", "a cat sleeps on the sofa\nshares fell sharply on Monday\nhow to bake bread\n");
    place.run("index notes.txt --store store").succeeds();
    for (query, line) in [("the kitten is napping", 1), ("the stock market crashed", 2), ("a recipe for a loaf", 3)] {
        let mut search = assert_cmd::Command::cargo_bin("elman").unwrap();
        search.current_dir(place.path(".")).args(["search", query, "--store", "store", "-k", "1", "--json"]);
        let hits: serde_json::Value = serde_json::from_slice(&search.output().unwrap().stdout).unwrap();
        assert_eq!(hits[0]["id"], format!("notes.txt:{line}"), "{query}");
    }
}

#[test]
fn what_cannot_be_trained_on() {
    let place = Place::new();
    teacher(&place, 59);
    let train = |arguments: &str| place.run(&format!("encoder train {arguments} --out m {SMALL}"));
    train("text.txt --teacher teacher.safetensors").fails(1, "has 59 vectors, and 60 are needed");
    train("text.txt --teacher text.txt").fails(1, "its name must end in .npy or .safetensors");
    train("text.txt --kind pairs").fails(1, "text.txt");
    place.write("one.tsv", "a cat\ta dog\nonly this\n");
    train("one.tsv --kind pairs").fails(1, "line 2");
    place.write("scored.tsv", "a cat\ta dog\tmuch\n");
    train("scored.tsv --kind scored").fails(1, "much");
    place.write("empty.txt", "");
    train("empty.txt").fails(1, "'empty.txt' has no text");
    place.write("latin1.txt", b"line one\ncaf\xe9\n");
    train("latin1.txt").fails(1, "not UTF-8");
    train("text.txt --from nowhere").fails(1, "it has no config.json");
    train("text.txt --temperature 0").fails(2, "the temperature must be a number above 0");
    train("text.txt --dropout 0").fails(1, "dropout (SimCSE)");
    train("text.txt --next-word 1 --bidirectional").fails(1, "which has seen it");
    place.run("embed text.txt --model .").fails(1, "it has no config.json");
    place.run("encoder eval").fails(2, "--pairs");
    place.run("encoder eval --pairs empty.txt").fails(1, "empty.txt");
}
