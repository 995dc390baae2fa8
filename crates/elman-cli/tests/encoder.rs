//! `elman encoder`: training on all tasks, evaluation, export, and use in place of a language model.

mod common;

use std::fs;

use common::TestDir;

const SMALL: &str = "--vocab-size 300 --embed 8 --hidden 12 --dim 8 --batch 16 --epochs 2 --warmup 2 --lr 0.01";

/// Teacher vectors of the text's lines, in which one dimension each stands for the cat, the dog and the mouse.
fn teacher(dir: &TestDir, rows: usize) {
    let value = |n: usize| -> [f32; 9] { std::array::from_fn(|k| f32::from(k == n % 3) + 0.1) };
    let bytes: Vec<u8> = (0..rows).flat_map(value).flat_map(f32::to_le_bytes).collect();
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![rows, 9], &bytes).unwrap();
    dir.write("teacher.safetensors", safetensors::serialize([("v", view)], None).unwrap());
}

fn train(dir: &TestDir) {
    teacher(dir, 60);
    dir.run(&format!("encoder train text.txt --teacher teacher.safetensors --out encoder {SMALL}")).succeeds();
}

/// Pairs of the text's lines, with score 1 if both are about the same animal, else 0.
fn pairs(dir: &TestDir) -> String {
    let text = fs::read_to_string(dir.path("text.txt")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    (0..50).map(|n| format!("{}\t{}\t{}\n", lines[n], lines[n + 1 + n % 3], usize::from(n % 3 == 2))).collect()
}

#[test]
fn an_encoder_replaces_a_language_model() {
    let dir = TestDir::new();
    train(&dir);
    for file in ["config.json", "model.safetensors", "tokenizer.json", "train.jsonl"] {
        assert!(fs::metadata(dir.path("encoder").join(file)).unwrap().len() > 0, "{file}");
    }
    assert!(!dir.path("encoder/checkpoint.safetensors").exists() && !dir.path("encoder/texts.tmp").exists());
    dir.run("embed text.txt --model encoder -o v.npy").succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(dir.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 8]);
    dir.run("index text.txt --model encoder --store store").succeeds();
    dir.run("generate --model encoder").fails(1, "'encoder' is an encoder");
    let hits = dir.run("search cat --store store -k 3 --json").json();
    assert_eq!(hits.as_array().unwrap().len(), 3);
    dir.run("embed text.txt --model encoder --pool max").fails(2, "--pool applies to language models only");
    dir.run("embed text.txt --model encoder --no-normalize").fails(2, "--no-normalize applies to language models only");

    dir.write("pairs.tsv", pairs(&dir));
    let labels = fs::read_to_string(dir.path("text.txt")).unwrap();
    let label = |(n, line): (usize, &str)| format!("{line}\t{}\n", ["cat", "dog", "mouse"][n % 3]);
    dir.write("labels.tsv", labels.lines().enumerate().map(label).collect::<String>());
    let metrics = dir.run("encoder eval --pairs pairs.tsv --labels labels.tsv --dims 4 --model encoder --json").json();
    let metrics = metrics.as_array().unwrap();
    assert_eq!(metrics.len(), 4);
    for (metric, (measure, dim)) in
        metrics.iter().zip([("spearman", 4), ("spearman", 8), ("accuracy", 4), ("accuracy", 8)])
    {
        assert_eq!((metric["measure"].as_str(), metric["width"].as_u64()), (Some(measure), Some(dim)));
        assert!(metric["value"].as_f64().unwrap() > 0.4, "{metric}");
    }
    assert!(dir.run("encoder eval --pairs pairs.tsv --model encoder").succeeds().contains("8 dimensions, 100 texts"));
}

#[test]
fn every_task_trains() {
    let dir = TestDir::new();
    dir.write("scored.tsv", pairs(&dir));
    let two = pairs(&dir).lines().map(|line| line.rsplit_once('\t').unwrap().0.to_owned() + "\n").collect::<String>();
    dir.write("pairs.tsv", &two);
    dir.write("triplets.tsv", two.lines().map(|line| format!("{line}\tthe sea\n")).collect::<String>());
    let json = r#"{"text": "a cat"}"#.to_owned() + "\n" + r#"{"text": "a dog and a cat"}"# + "\n";
    dir.write("texts.jsonl", json.repeat(9));
    for (task, file, more) in [
        ("pairs", "pairs.tsv", "--tokenizer known/tokenizer.json --lm-loss-weight 0.1"),
        ("scored", "scored.tsv", "--max-score 1"),
        ("triplets", "triplets.tsv", "--cell lstm --bidirectional --pool attention+max"),
        ("texts", "texts.jsonl", "--matryoshka 2,4 --weight-dtype int8"),
    ] {
        if task == "pairs" {
            dir.run("train text.txt --out known --tokens bpe --vocab-size 300 --epochs 1 --embed 4 --hidden 4")
                .succeeds();
        }
        let report = dir.run(&format!("encoder train {file} --task {task} --out {task} {more} {SMALL} --json")).json();
        assert!(report["examples"].as_u64().unwrap() >= 18 && report["loss"].is_number(), "{task}: {report}");
        dir.run(&format!("embed text.txt --model {task} -o {task}.npy")).succeeds();
    }
    // training starts from another encoder
    dir.run("encoder train pairs.tsv --task pairs --from pairs --out more --steps 3 --batch 8").succeeds();
    dir.run("encoder train text.txt --from elman-small-en --out adapted --steps 2 --batch 8").succeeds();
}

#[test]
fn an_export_computes_nearly_the_same_vectors() {
    let dir = TestDir::new();
    train(&dir);
    for (weights, allowed) in [("f16", 2e-3), ("int8", 5e-2)] {
        dir.run(&format!("encoder export encoder --weight-dtype {weights} --out {weights}")).succeeds();
        for file in ["modules.json", "config_sentence_transformers.json", "elman_encoder.py"] {
            assert!(dir.path(weights).join(file).exists(), "{file}");
        }
        let vectors = |model: &str| -> Vec<f64> {
            let text = dir.run(&format!("embed text.txt --model {model}")).succeeds();
            let rows = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            rows.flat_map(|row| row["embedding"].as_array().unwrap().clone()).map(|x| x.as_f64().unwrap()).collect()
        };
        let (exact, found) = (vectors("encoder"), vectors(weights));
        let off = exact.iter().zip(found).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off > 0.0 && off < allowed, "{weights}: {off}");
    }
    dir.run("encoder export encoder --out f16").fails(2, "already has a config.json");
    dir.run(&format!("encoder train text.txt --cell min-gru --out min {SMALL}")).succeeds();
    dir.run("encoder export min --out copy").fails(2, "must be rnn, gru or lstm, not min-gru");
    dir.run("encoder export min --out copy --no-python --force").succeeds();
}

#[test]
fn the_built_in_encoder_needs_no_files() {
    let dir = TestDir::new();
    let rows = dir.run("embed text.txt").succeeds();
    let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
    assert!(row["embedding"].as_array().unwrap().len() >= 256);
    dir.write("notes.txt", "a cat sleeps on the sofa\nshares fell sharply on Monday\nhow to bake bread\n");
    dir.run("index notes.txt --store store").succeeds();
    for (query, line) in [("the kitten is napping", 1), ("the stock market crashed", 2), ("a recipe for a loaf", 3)] {
        let mut search = assert_cmd::Command::cargo_bin("elman").unwrap();
        search.current_dir(dir.path(".")).args(["search", query, "--store", "store", "-k", "1", "--json"]);
        let hits: serde_json::Value = serde_json::from_slice(&search.output().unwrap().stdout).unwrap();
        assert_eq!(hits[0]["id"], format!("notes.txt:{line}"), "{query}");
    }
}

#[test]
fn invalid_training_data_is_reported() {
    let dir = TestDir::new();
    teacher(&dir, 59);
    let train = |arguments: &str| dir.run(&format!("encoder train {arguments} --out m {SMALL}"));
    train("text.txt --teacher teacher.safetensors").fails(1, "has 59 vectors, expected 60");
    train("text.txt --teacher text.txt").fails(1, "its name must end in .npy or .safetensors");
    train("text.txt --task pairs").fails(1, "text.txt");
    dir.write("one.tsv", "a cat\ta dog\nonly this\n");
    train("one.tsv --task pairs").fails(1, "line 2");
    dir.write("scored.tsv", "a cat\ta dog\tmuch\n");
    train("scored.tsv --task scored").fails(1, "much");
    dir.write("empty.txt", "");
    train("empty.txt").fails(1, "'empty.txt' has no text");
    dir.write("latin1.txt", b"line one\ncaf\xe9\n");
    train("latin1.txt").fails(1, "not UTF-8");
    train("text.txt --from nowhere").fails(1, "it has no config.json");
    train("text.txt --temperature 0").fails(2, "the temperature must be a number above 0");
    train("text.txt --dropout 0").fails(1, "dropout (SimCSE)");
    train("text.txt --lm-loss-weight 1 --bidirectional").fails(1, "needs a unidirectional network");
    dir.run("embed text.txt --model .").fails(1, "it has no config.json");
    dir.run("encoder eval").fails(2, "--pairs");
    dir.run("encoder eval --pairs empty.txt").fails(1, "empty.txt");
}
