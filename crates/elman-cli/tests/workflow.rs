//! From a text file to a model, to text, to vectors, to search.

mod common;

use std::fs;

use common::Place;
use elman::{
    index::quantized::{Binary, Collection, Int8},
    recurrence::StateDict,
};
use elman_testkit::Torch;

#[test]
fn train_then_everything_else() {
    let place = Place::new();
    place.train();
    for file in
        ["config.json", "model.safetensors", "tokenizer.json", "README.md", "train.jsonl", "curves.svg", "report.html"]
    {
        assert!(fs::metadata(place.path("model").join(file)).unwrap().len() > 0, "{file}");
    }
    let log = fs::read_to_string(place.path("model/train.jsonl")).unwrap();
    let events: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.iter().filter(|e| e["event"] == "epoch").count(), 2);

    let figures = place.run("eval text.txt --model model --json").json();
    let perplexity = figures["perplexity"].as_f64().unwrap();
    assert!(perplexity > 1.0 && perplexity < 35.0, "better than chance over some 30 characters: {perplexity}");
    assert!(place.run("eval text.txt --model model").succeeds().contains("bits per character"));
    for precision in ["bf16", "int8"] {
        let narrow = place.run(&format!("eval text.txt --model model --json --precision {precision}")).json();
        let narrow = narrow["perplexity"].as_f64().unwrap();
        // weights within 1/256 of themselves, or of their row's largest
        assert!(narrow != perplexity && (narrow / perplexity - 1.0).abs() < 0.02, "{precision}: {narrow} {perplexity}");
        let text = place.run(&format!("generate --model model --prompt the --max-tokens 9 --precision {precision}"));
        assert!(text.succeeds().starts_with("the"));
    }
    place.run("eval text.txt --model model --precision f64").fails(2, "invalid value 'f64'");

    let generate =
        |seed: u32| place.run(&format!("generate --model model --prompt the --max-tokens 40 --seed {seed}")).succeeds();
    assert_eq!(generate(1), generate(1), "one seed, one text");
    assert_ne!(generate(1), generate(2));
    let greedy = "generate --model model --prompt the --max-tokens 20 --temperature 0";
    assert_eq!(place.run(greedy).succeeds(), place.run(greedy).succeeds());
}

#[test]
fn vectors_go_to_every_kind_of_file() {
    let place = Place::new();
    place.train();
    let lines = place.run("embed text.txt --model model").succeeds();
    let rows: Vec<serde_json::Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 60);
    let vector = |n: usize| -> Vec<f32> {
        rows[n]["embedding"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap() as f32).collect()
    };
    assert_eq!(vector(0).len(), 16);
    assert!((vector(7).iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-4);

    place.run("embed text.txt --model model -o v.npy").succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(place.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 16]);
    let values: Vec<f32> = npy.into_vec().unwrap();
    assert_eq!(values[7 * 16..8 * 16], vector(7));

    let report = place.run("embed text.txt --model model -o v.safetensors --json").json();
    assert_eq!((report["lines"].as_u64(), report["d_embedding"].as_u64()), (Some(60), Some(16)));
    let bytes = fs::read(place.path("v.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.tensor("embeddings").unwrap().shape(), [60, 16]);

    let narrow = "embed text.txt --model model --precision";
    let report = place.run(&format!("{narrow} int8 -o v.npy --json")).json();
    assert_eq!((&report["precision"], &report["d_embedding"]), (&"int8".into(), &16.into()));
    let npy = npyz::NpyFile::new(fs::File::open(place.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 16]);
    let bytes = Int8::from_values(16, npy.into_vec().unwrap()).unwrap();
    place.run(&format!("{narrow} binary -o v.npy")).succeeds();
    let npy = npyz::NpyFile::new(fs::File::open(place.path("v.npy")).unwrap()).unwrap();
    assert_eq!(npy.shape(), [60, 2]);
    let signs = Binary::from_bytes(16, &npy.into_vec::<u8>().unwrap()).unwrap();
    for n in 0..60 {
        assert!(bytes.cosines(&vector(n), &[n]).unwrap()[0] > 0.999);
        assert!(signs.vector(n).iter().zip(vector(n)).all(|(sign, x)| (*sign > 0.0) == (x > 0.0)));
    }
    let line = place.run(&format!("{narrow} int8")).succeeds().lines().nth(7).unwrap().to_owned();
    let row: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(row["embedding"], serde_json::json!(bytes.values()[7 * 16..8 * 16]));
    place.run(&format!("{narrow} int8 --no-normalize")).fails(2, "--no-normalize is about their lengths");
    place.run(&format!("{narrow} int4")).fails(2, "invalid value 'int4'");

    place.run("embed text.txt --model model -o v.jsonl --pool last+max").succeeds();
    let first = fs::read_to_string(place.path("v.jsonl")).unwrap();
    let first: serde_json::Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["embedding"].as_array().unwrap().len(), 32);
}

#[test]
fn a_line_has_the_same_vector_in_whatever_company() {
    let place = Place::new();
    place.train();
    let small = "--vocab 300 --embed 8 --hidden 20 --width 12 --batch 16 --epochs 1 --warmup 2";
    place.write("pairs.tsv", "the cat sat\tthe cat\na dog ran\ta dog\nmy mouse saw\tmy mouse\n".repeat(8));
    place.run(&format!("encoder train pairs.tsv --kind pairs --out encoder {small}")).succeeds();
    let text = fs::read_to_string(place.path("text.txt")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    // backwards, one alone, a few
    place.write("turned.txt", lines.iter().rev().map(|line| format!("{line}\n")).collect::<String>());
    place.write("one.txt", format!("{}\n", lines[7]));
    place.write("few.txt", lines[5..10].join("\n"));
    let set = |cpu: &str| place.run_with("devices", &[("ELMAN_CPU", cpu)]).stderr().is_empty();
    let sets: Vec<&str> = ["portable", "avx2", "avx512", "neon"].into_iter().filter(|cpu| set(cpu)).collect();
    assert!(sets.contains(&"portable"), "{sets:?}");
    for cpu in sets {
        for model in ["model", "encoder"] {
            let embed = |file: &str| -> Vec<Vec<u8>> {
                let run = format!("embed {file} --model {model} -o v.npy");
                place.run_with(&run, &[("ELMAN_CPU", cpu)]).succeeds();
                let npy = npyz::NpyFile::new(fs::File::open(place.path("v.npy")).unwrap()).unwrap();
                let width = npy.shape()[1] as usize;
                let values: Vec<f32> = npy.into_vec().unwrap();
                values.chunks(width).map(|row| row.iter().flat_map(|x| x.to_le_bytes()).collect()).collect()
            };
            let all = embed("text.txt");
            let mut turned = embed("turned.txt");
            turned.reverse();
            assert!(turned == all, "{cpu} {model}: backwards");
            assert!(embed("one.txt")[0] == all[7], "{cpu} {model}: alone");
            assert!(embed("few.txt") == all[5..10], "{cpu} {model}: a few");
        }
    }
}

#[test]
fn a_store_finds_the_line_that_is_asked_for() {
    let place = Place::new();
    place.train();
    let report = place.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(60), Some(60)));
    // again: nothing is new, and nothing doubled
    let report = place.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["unchanged"].as_u64()), (Some(0), Some(60)));
    assert_eq!(report["entries"].as_u64(), Some(60));

    let mut search = assert_cmd::Command::cargo_bin("elman").unwrap();
    let output = search
        .current_dir(place.path("."))
        .args(["search", "a dog ran from the house 1", "--store", "store", "-k", "3", "--json"])
        .output()
        .unwrap();
    let hits: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(hits.as_array().unwrap().len(), 3);
    assert_eq!((hits[0]["rank"].as_u64(), hits[0]["id"].as_str()), (Some(1), Some("text.txt:2")));
    assert!(hits[0]["score"].as_f64().unwrap() > 0.9999);
    assert_eq!(place.run("search cat --store store -k 2").succeeds().lines().count(), 2);

    // a file that has become shorter leaves nothing behind, and other files' entries stay
    place.write("other.txt", "one\n\nthree\n");
    place.run("index other.txt --model model --store store").succeeds();
    let text = fs::read_to_string(place.path("text.txt")).unwrap();
    place.write("text.txt", text.lines().take(3).map(|line| format!("{line}\n")).collect::<String>());
    let report = place.run("index text.txt --model model --store store --json").json();
    assert_eq!((report["unchanged"].as_u64(), report["removed"].as_u64()), (Some(3), Some(57)));
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(0), Some(5)));
    let all = place.run("search cat --store store -k 9 --json").json();
    let mut ids: Vec<&str> = all.as_array().unwrap().iter().map(|hit| hit["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["other.txt:1", "other.txt:3", "text.txt:1", "text.txt:2", "text.txt:3"]);
    // a line that has changed is embedded anew
    place.write("other.txt", "one\n\nsomething else\n");
    let report = place.run("index other.txt --model model --store store --json").json();
    assert_eq!((report["indexed"].as_u64(), report["unchanged"].as_u64()), (Some(1), Some(1)));

    let search = |options: &[&str]| {
        let arguments = [&["search", "something else", "--store", "store", "--json"], options].concat();
        let output =
            assert_cmd::Command::cargo_bin("elman").unwrap().current_dir(place.path(".")).args(arguments).output();
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
    let place = Place::new();
    place.write(
        "films.csv",
        "title,plot,year\nHeat,\"a thief, and a cop\",1995\nRififi,a heist in Paris,1955\nBlank,,2000\n",
    );
    place.write(
        "more.jsonl",
        "{\"title\": \"Alien\", \"plot\": \"a thing in a ship\", \"year\": 1979, \"good\": true}\n",
    );
    let index =
        "index films.csv more.jsonl --text-column plot --id-column title --metadata year,good --store films --json";
    let report = place.run(index).json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(3), Some(3)));
    assert_eq!(place.run(index).json()["unchanged"].as_u64(), Some(3));
    let hits = place.run("search heist --store films --filter year<1980 --json").json();
    assert_eq!((hits[0]["id"].as_str(), hits[0]["metadata"]["year"].as_u64()), (Some("Rififi"), Some(1955)));
    assert_eq!(hits.as_array().unwrap().len(), 2);
    let hits = place.run("search heist --store films --filter good=true --json").json();
    assert_eq!(hits[0]["metadata"]["file"].as_str(), Some("more.jsonl"));
    assert_eq!(hits[0].get("best"), None, "one sentence");
    place.write("long.jsonl", "{\"text\": \"Nothing of it. A heist goes wrong in Paris. The end.\"}\n");
    place.run("index long.jsonl --store films").succeeds();
    let hits = place.run("search robbery --store films --filter file='long.jsonl' --json").json();
    assert_eq!(hits[0]["best"].as_str(), Some("A heist goes wrong in Paris."));
    place.write("long.jsonl", "{\"text\": \"\"}\n{\"text\": \"x\"}");
    assert_eq!(place.run("index long.jsonl --store films --json").json()["removed"].as_u64(), Some(1));
    // what is no longer in a file is no longer in the store
    place.write("films.csv", "title,plot,year\nHeat,a thief,1995\n");
    let report = place.run(index).json();
    assert_eq!(
        (report["indexed"].as_u64(), report["removed"].as_u64(), report["entries"].as_u64()),
        (Some(1), Some(1), Some(3))
    );
    // U+E000 stands for nothing: no part of it is known, and it has no vector
    place.write("odd.txt", "\u{e000}\na cat\n");
    let report = place.run("index odd.txt --store films --json").json();
    assert_eq!((report["indexed"].as_u64(), report["entries"].as_u64()), (Some(1), Some(4)));
    let info = place.run("store info films --json").json();
    assert_eq!((info["entries"].as_u64(), info["d_embedding"].as_u64()), (Some(4), Some(384)));
    assert_eq!(info["fields"], serde_json::json!(["canonical_path", "file", "good", "line", "year"]));
    place.write("again.txt", "A cat.\n\na cat!\na dog\n");
    place.run("index again.txt --store films").succeeds();
    let groups = place.run("store duplicates films --threshold 0.9 --json").json();
    let group: Vec<&str> = groups[0].as_array().unwrap().iter().map(|member| member["id"].as_str().unwrap()).collect();
    assert_eq!((groups.as_array().unwrap().len(), group), (1, vec!["odd.txt:2", "again.txt:1", "again.txt:3"]));
    place.run("store duplicates films --threshold 2").fails(1, "a threshold of 2");
    let report = place.run("store delete films --filter file='again.txt' --json").json();
    assert_eq!((report["deleted"].as_u64(), report["entries"].as_u64()), (Some(3), Some(4)));
    let report = place.run("store delete films --id Heat --id nowhere --json").json();
    assert_eq!((report["deleted"].as_u64(), report["entries"].as_u64()), (Some(1), Some(3)));
    place.run("store delete films").fails(2, "--filter");
    place.write("twice.csv", "title,plot\nA,one\nA,two\n");
    place
        .run("index twice.csv --text-column plot --id-column title --store twice")
        .fails(1, "'twice.csv', line 3: the id 'A'");
    place.run("index twice.csv --text-column text --store twice").fails(1, "text");
    place.run("index twice.csv --text-column plot --metadata line --store twice").fails(2, "--metadata line");
}

#[test]
fn a_models_own_files_import_again() {
    let place = Place::new();
    place.train();
    let files = "model/model.safetensors --config model/config.json --tokenizer model/tokenizer.json";
    let report = place.run(&format!("import {files} --out copy --json")).json();
    assert_eq!(report["model"], "copy");
    let text = |model: &str| place.run(&format!("generate --model {model} --seed 3 --max-tokens 20")).succeeds();
    assert_eq!(text("model"), text("copy"));
    place.run(&format!("import {files} --out copy")).fails(2, "already has a config.json");

    // the names of a common PyTorch program
    let torch = |name: &str| Some(name.replace("network.", "rnn.").replace("output.", "head."));
    let weights = StateDict::open(place.path("model/model.safetensors")).unwrap().rename(torch);
    assert!(weights.shapes().any(|(name, _)| name == "rnn.weight_ih_l0"));
    weights.save(place.path("torch.safetensors")).unwrap();
    let files = files.replace("model/model.safetensors", "torch.safetensors");
    let answer = place.run(&format!("import {files} --out torch"));
    answer.succeeds();
    assert!(
        answer.stderr().starts_with("note: the weights do not say which token has which number"),
        "{}",
        answer.stderr()
    );
    assert_eq!(text("model"), text("torch"));

    // a checkpoint with two models
    let weights = || StateDict::open(place.path("torch.safetensors")).unwrap();
    let both = |name: &str| -> Vec<(String, Torch)> {
        let names: Vec<String> = weights().shapes().map(|(name, _)| name.to_owned()).collect();
        let tensor = |weight: &String| {
            let data = weights().data(weight).unwrap().unwrap();
            Torch::Tensor(data.shape().to_vec(), data.try_to_vec::<f32>().unwrap())
        };
        names.iter().map(|weight| (format!("{name}.{weight}"), tensor(weight))).collect()
    };
    Torch::dict([("model", Torch::dict(both("module"))), ("ema", Torch::dict(both("module")))])
        .save(place.path("checkpoint_epoch_0100.pt"));
    let files = files.replace("torch.safetensors", "checkpoint_epoch_0100.pt");
    place
        .run(&format!("import {files} --out two"))
        .fails(1, "hold more than one model: ema.module.rnn.weight_ih_l0, model.");
    assert!(!place.path("two").exists());
    place.run(&format!("import {files} --prefix other --out two")).fails(1, "begins with 'other.'");
    place.run(&format!("import {files} --prefix ema --out two")).succeeds();
    assert_eq!(text("model"), text("two"));
}

#[test]
fn a_prompt_that_the_model_cannot_read_is_noted() {
    let place = Place::new();
    place.train();
    let answer = place.run("generate --model model --prompt the~cat~ --max-tokens 2 --json");
    assert_eq!(answer.json()["tokens"].as_array().unwrap().len(), 2);
    assert_eq!(answer.stderr(), "note: the model does not know 2 of the prompt's tokens and reads <unk> instead\n");
}

#[test]
fn devices_are_listed_and_can_be_chosen() {
    let place = Place::new();
    let devices = place.run("devices --json").json();
    let devices = devices.as_array().expect("a list");
    assert!(!devices.is_empty());
    for device in devices.iter().filter(|d| ["flex", "ndarray"].contains(&d["name"].as_str().unwrap())) {
        let name = device["name"].as_str().unwrap();
        let settings = "--tokens char --embed 4 --hidden 4 --layers 1 --batch 2 --bptt 8 --epochs 1";
        place.run(&format!("train text.txt --out on-{name} --device {name} {settings}")).succeeds();
    }
}
