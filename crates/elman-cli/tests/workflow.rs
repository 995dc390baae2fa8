//! The main workflow: train, evaluate, generate, embed, index, search, import.

mod common;

use std::fs;

use common::TestDir;
use elman::{
    index::quantized::{Binary, Collection, Int8},
    recurrence::StateDict,
};
use elman_testkit::Torch;

#[test]
fn train_then_everything_else() {
    let dir = TestDir::new();
    dir.train();
    for file in
        ["config.json", "model.safetensors", "tokenizer.json", "README.md", "train.jsonl", "curves.svg", "report.html"]
    {
        assert!(fs::metadata(dir.path("model").join(file)).unwrap().len() > 0, "{file}");
    }
    let log = fs::read_to_string(dir.path("model/train.jsonl")).unwrap();
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().filter(|e| e["event"] == "epoch").count(), 2);

    let metrics = dir.run("eval text.txt --model model --json").json();
    let perplexity = metrics["perplexity"].as_f64().unwrap();
    assert!(perplexity > 1.0 && perplexity < 35.0, "better than chance over some 30 characters: {perplexity}");
    assert!(dir.run("eval text.txt --model model").succeeds().contains("bits per character"));
    for dtype in ["bf16", "int8"] {
        let packed = dir.run(&format!("eval text.txt --model model --json --weight-dtype {dtype}")).json();
        let packed = packed["perplexity"].as_f64().unwrap();
        // the error of a weight is below 1/256 of its value, or of the largest of its row
        assert!(packed != perplexity && (packed / perplexity - 1.0).abs() < 0.02, "{dtype}: {packed} {perplexity}");
        let text = dir.run(&format!("generate --model model --prompt the --max-tokens 9 --weight-dtype {dtype}"));
        assert!(text.succeeds().starts_with("the"));
    }
    dir.run("eval text.txt --model model --weight-dtype f64").fails(2, "invalid value 'f64'");

    let generate =
        |seed: u32| dir.run(&format!("generate --model model --prompt the --max-tokens 40 --seed {seed}")).succeeds();
    assert_eq!(generate(1), generate(1), "same seed, same text");
    assert_ne!(generate(1), generate(2));
    let greedy = "generate --model model --prompt the --max-tokens 20 --temperature 0";
    assert_eq!(dir.run(greedy).succeeds(), dir.run(greedy).succeeds());
}

#[test]
fn vectors_are_written_in_every_format() {
    let dir = TestDir::new();
    dir.train();
    let lines = dir.run("embed text.txt --model model").succeeds();
    let rows: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 60);
    let vector = |n: usize| -> Vec<f32> {
        rows[n]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    assert_eq!(vector(0).len(), 16);
    assert!((vector(7).iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);

    dir.run("embed text.txt --model model -o v.npy").succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(dir.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 16]);
    let values: Vec<f32> = npy.into_vec().unwrap();
    assert_eq!(values[7 * 16..8 * 16], vector(7));

    let report = dir.run("embed text.txt --model model -o v.safetensors --json").json();
    assert_eq!((report["lines"].as_u64(), report["d_embedding"].as_u64()), (Some(60), Some(16)));
    let bytes = fs::read(dir.path("v.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("embeddings").unwrap().shape(), [60, 16]);

    let embed = "embed text.txt --model model --vector-dtype";
    let report = dir.run(&format!("{embed} int8 -o v.npy --json")).json();
    assert_eq!((&report["precision"], &report["d_embedding"]), (&"int8".into(), &16.into()));
    let npy = npyz::NpyFile::new(fs::File::open(dir.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 16]);
    let bytes = Int8::from_values(16, npy.into_vec().unwrap()).unwrap();
    dir.run(&format!("{embed} binary -o v.npy")).succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(dir.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 2]);
    let signs = Binary::from_bytes(16, &npy.into_vec::<u8>().unwrap()).unwrap();
    for n in 0..60 {
        assert!(bytes.cosines(&vector(n), &[n]).unwrap()[0] > 0.999);
        assert!(signs.vector(n).iter().zip(vector(n)).all(|(sign, x)| (*sign > 0.0) == (x > 0.0)));
    }
    let line = dir.run(&format!("{embed} int8")).succeeds().lines().nth(7).unwrap().to_owned();
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(row["embedding"], serde_json::json!(bytes.values()[7 * 16..8 * 16]));
    dir.run(&format!("{embed} int8 --no-normalize"))
        .fails(2, "--no-normalize cannot be combined with --vector-dtype int8");
    dir.run(&format!("{embed} int4")).fails(2, "invalid value 'int4'");

    dir.run("embed text.txt --model model -o v.jsonl --pool last+max").succeeds();
    let first = fs::read_to_string(dir.path("v.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["embedding"].as_array().unwrap().len(), 32);
}

#[test]
fn a_vector_does_not_depend_on_the_other_lines() {
    let dir = TestDir::new();
    dir.train();
    let small = "--vocab-size 300 --embed 8 --hidden 20 --dim 12 --batch 16 --epochs 1 --warmup 2";
    dir.write("pairs.tsv", "the cat sat\tthe cat\na dog ran\ta dog\nmy mouse saw\tmy mouse\n".repeat(8));
    dir.run(&format!("encoder train pairs.tsv --task pairs --out encoder {small}")).succeeds();
    let text = fs::read_to_string(dir.path("text.txt")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // reversed, one alone, a few
    dir.write("turned.txt", lines.iter().rev().map(|line| format!("{line}\n")).collect::<String>());
    dir.write("one.txt", format!("{}\n", lines[7]));
    dir.write("few.txt", lines[5..10].join("\n"));
    let set = |cpu: &str| dir.run_with("devices", &[("ELMAN_CPU", cpu)]).stderr().is_empty();
    let sets: Vec<&str> = ["portable", "avx2", "avx512", "neon"].into_iter().filter(|cpu| set(cpu)).collect();
    assert!(sets.contains(&"portable"), "{sets:?}");
    for cpu in sets {
        for model in ["model", "encoder"] {
            let embed = |file: &str| -> Vec<Vec<u8>> {
                let run = format!("embed {file} --model {model} -o v.npy");
                dir.run_with(&run, &[("ELMAN_CPU", cpu)]).succeeds();
                let npy = npyz::NpyFile::new(fs::File::open(dir.path("v.npy")).unwrap()).unwrap();
                let width = npy.shape()[1] as usize;
                let values: Vec<f32> = npy.into_vec().unwrap();
                values.chunks(width).map(|row| row.iter().flat_map(|x| x.to_le_bytes()).collect()).collect()
            };
            let all = embed("text.txt");
            let mut turned = embed("turned.txt");
            turned.reverse();
            assert!(turned == all, "{cpu} {model}: reversed");
            assert!(embed("one.txt")[0] == all[7], "{cpu} {model}: alone");
            assert!(embed("few.txt") == all[5..10], "{cpu} {model}: a few");
        }
    }
}

#[test]
fn a_store_is_updated_and_searched() {
    let dir = TestDir::new();
    dir.train();
    let report = dir.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(60), Some(60)));
    // indexing again adds nothing
    let report = dir.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["unchanged"].as_u64()), (Some(0), Some(60)));
    assert_eq!(report["entries"].as_u64(), Some(60));

    let mut search = assert_cmd::Command::cargo_bin("elman").unwrap();
    let output = search
        .current_dir(dir.path("."))
        .args(["search", "a dog ran from the house 1", "--store", "store", "-k", "3", "--json"])
        .output()
        .unwrap();
    let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(hits.as_array().unwrap().len(), 3);
    assert_eq!((hits[0]["rank"].as_u64(), hits[0]["id"].as_str()), (Some(1), Some("text.txt:2")));
    assert!(hits[0]["score"].as_f64().unwrap() > 0.9999);
    assert_eq!(dir.run("search cat --store store -k 2").succeeds().lines().count(), 2);

    // deleted lines are removed, and other files' entries stay
    dir.write("other.txt", "one\n\nthree\n");
    dir.run("index other.txt --model model --store store").succeeds();
    let text = fs::read_to_string(dir.path("text.txt")).unwrap();
    dir.write("text.txt", text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>());
    let report = dir.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["unchanged"].as_u64(), report["removed"].as_u64()), (Some(3), Some(57)));
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(0), Some(5)));
    let all = dir.run("search cat --store store -k 9 --json").json();
    let mut ids: Vec<&str> = all.as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["other.txt:1", "other.txt:3", "text.txt:1", "text.txt:2", "text.txt:3"]);
    // a changed line is embedded again
    dir.write("other.txt", "one\n\nsomething else\n");
    let report = dir.run("index other.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["unchanged"].as_u64()), (Some(1), Some(1)));

    let search = |options: &[&str]| {
        let arguments = [&["search", "something else", "--store", "store", "--json"], options].concat();
        let output =
            assert_cmd::Command::cargo_bin("elman").unwrap().current_dir(dir.path(".")).args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        hits.as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(search(&["--filter", "file = 'text.txt' and line = 2"]), ["text.txt:2"]);
    assert_eq!(search(&["--filter", "line > 90"]), Vec::<String>::new());
    assert_eq!(search(&["--hybrid", "-k", "1"]), ["other.txt:3"]);
}

#[test]
fn rows_of_tables_become_entries_with_metadata() {
    let dir = TestDir::new();
    dir.write(
        "films.csv",
        "title,plot,year\nHeat,\"a thief, and a cop\",1995\nRififi,a heist in Paris,1955\nBlank,,2000\n",
    );
    dir.write(
        "more.jsonl",
        "{\"title\": \"Alien\", \"plot\": \"a thing in a ship\", \"year\": 1979, \"good\": true}\n",
    );
    let index =
        "index films.csv more.jsonl --text-column plot --id-column title --metadata year,good --store films --json";
    let report = dir.run(index).json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(3), Some(3)));
    assert_eq!(dir.run(index).json()["unchanged"].as_u64(), Some(3));
    let hits = dir.run("search heist --store films --filter year<1980 --json").json();
    assert_eq!((hits[0]["id"].as_str(), hits[0]["metadata"]["year"].as_u64()), (Some("Rififi"), Some(1955)));
    assert_eq!(hits.as_array().unwrap().len(), 2);
    let hits = dir.run("search heist --store films --filter good=true --json").json();
    assert_eq!(hits[0]["metadata"]["file"].as_str(), Some("more.jsonl"));
    assert_eq!(hits[0].get("best"), None, "one sentence");
    dir.write("long.jsonl", "{\"text\": \"Nothing of it. A heist goes wrong in Paris. The end.\"}\n");
    dir.run("index long.jsonl --store films").succeeds();
    let hits = dir.run("search robbery --store films --filter file='long.jsonl' --json").json();
    assert_eq!(hits[0]["best"].as_str(), Some("A heist goes wrong in Paris."));
    dir.write("long.jsonl", "{\"text\": \"\"}\n{\"text\": \"x\"}");
    assert_eq!(dir.run("index long.jsonl --store films --json").json()["removed"].as_u64(), Some(1));
    // deleted rows are removed from the store
    dir.write("films.csv", "title,plot,year\nHeat,a thief,1995\n");
    let report = dir.run(index).json();
    assert_eq!(
        (report["indexed"].as_u64(), report["removed"].as_u64(), report["entries"].as_u64()),
        (Some(1), Some(1), Some(3))
    );
    // U+E000 is a private-use character: the model has no token for it, so it has no vector
    dir.write("odd.txt", "\u{e000}\na cat\n");
    let report = dir.run("index odd.txt --store films --json").json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(1), Some(4)));
    let info = dir.run("store info films --json").json();
    assert_eq!((info["entries"].as_u64(), info["d_embedding"].as_u64()), (Some(4), Some(384)));
    assert_eq!(info["fields"], serde_json::json!(["canonical_path", "file", "good", "line", "year"]));
    dir.write("again.txt", "A cat.\n\na cat!\na dog\n");
    dir.run("index again.txt --store films").succeeds();
    let groups = dir.run("store duplicates films --threshold 0.9 --json").json();
    let group: Vec<&str> = groups[0].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect();
    assert_eq!((groups.as_array().unwrap().len(), group), (1, vec!["odd.txt:2", "again.txt:1", "again.txt:3"]));
    dir.run("store duplicates films --threshold 2").fails(1, "the threshold 2 is out of range");
    let report = dir.run("store delete films --filter file='again.txt' --json").json();
    assert_eq!((report["deleted"].as_u64(), report["entries"].as_u64()), (Some(3), Some(4)));
    let report = dir.run("store delete films --id Heat --id nowhere --json").json();
    assert_eq!((report["deleted"].as_u64(), report["entries"].as_u64()), (Some(1), Some(3)));
    dir.run("store delete films").fails(2, "--filter");
    dir.write("twice.csv", "title,plot\nA,one\nA,two\n");
    dir.run("index twice.csv --text-column plot --id-column title --store twice")
        .fails(1, "'twice.csv', line 3: duplicate id 'A'");
    dir.run("index twice.csv --text-column text --store twice").fails(1, "text");
    dir.run("index twice.csv --text-column plot --metadata line --store twice").fails(2, "--metadata line");
}

#[test]
fn exported_weights_can_be_imported() {
    let dir = TestDir::new();
    dir.train();
    let files = "model/model.safetensors --config model/config.json --tokenizer model/tokenizer.json";
    let report = dir.run(&format!("import {files} --out copy --json")).json();
    assert_eq!(report["model"], "copy");
    let text = |model: &str| dir.run(&format!("generate --model {model} --seed 3 --max-tokens 20")).succeeds();
    assert_eq!(text("model"), text("copy"));
    dir.run(&format!("import {files} --out copy")).fails(2, "already has a config.json");

    // the tensor names of a common PyTorch program
    let torch = |name: &str| Some(name.replace("network.", "rnn.").replace("output.", "head."));
    let weights = StateDict::open(dir.path("model/model.safetensors")).unwrap().rename(torch);
    assert!(weights.shapes().any(|(name, _)| name == "rnn.weight_ih_l0"));
    weights.save(dir.path("torch.safetensors")).unwrap();
    let files = files.replace("model/model.safetensors", "torch.safetensors");
    let result = dir.run(&format!("import {files} --out torch"));
    result.succeeds();
    assert!(result.stderr().starts_with("note: the weights have no vocabulary"), "{}", result.stderr());
    assert_eq!(text("model"), text("torch"));

    // a checkpoint with two models
    let weights = || StateDict::open(dir.path("torch.safetensors")).unwrap();
    let both = |name: &str| -> Vec<(String, Torch)> {
        let names: Vec<String> = weights().shapes().map(|(name, _)| name.to_owned()).collect();
        let tensor = |weight: &String| {
            let data = weights().data(weight).unwrap().unwrap();
            Torch::Tensor(data.shape().to_vec(), data.try_to_vec::<f32>().unwrap())
        };
        names.iter().map(|weight| (format!("{name}.{weight}"), tensor(weight))).collect()
    };
    Torch::dict([("model", Torch::dict(both("module"))), ("ema", Torch::dict(both("module")))])
        .save(dir.path("checkpoint_epoch_0100.pt"));
    let files = files.replace("torch.safetensors", "checkpoint_epoch_0100.pt");
    dir.run(&format!("import {files} --out two"))
        .fails(1, "contain more than one model: ema.module.rnn.weight_ih_l0, model.");
    assert!(!dir.path("two").exists());
    dir.run(&format!("import {files} --prefix other --out two")).fails(1, "begins with 'other.'");
    dir.run(&format!("import {files} --prefix ema --out two")).succeeds();
    assert_eq!(text("model"), text("two"));
}

#[test]
fn unknown_tokens_of_a_prompt_are_reported() {
    let dir = TestDir::new();
    dir.train();
    let result = dir.run("generate --model model --prompt the~cat~ --max-tokens 2 --json");
    assert_eq!(result.json()["tokens"].as_array().unwrap().len(), 2);
    assert_eq!(result.stderr(), "note: 2 unknown tokens of the prompt replaced by <unk>\n");
}

#[test]
fn devices_are_listed_and_selected() {
    let dir = TestDir::new();
    let devices = dir.run("devices --json").json();
    let devices = devices.as_array().expect("a list");
    assert!(!devices.is_empty());
    for device in devices.iter().filter(|d| ["flex", "ndarray"].contains(&d["name"].as_str().unwrap())) {
        let name = device["name"].as_str().unwrap();
        let settings = "--tokens char --embed 4 --hidden 4 --layers 1 --batch 2 --bptt 8 --epochs 1";
        dir.run(&format!("train text.txt --out on-{name} --device {name} {settings}")).succeeds();
    }
}
