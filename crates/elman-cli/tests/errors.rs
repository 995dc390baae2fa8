//! A user's mistake: one clear line, the right exit code, nothing lost.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use common::Place;

#[test]
fn texts_that_cannot_be_read() {
    let place = Place::new();
    place.run("train no.txt --out m").fails(1, "cannot read 'no.txt': No such file");
    place.write("empty.txt", "");
    place.run("train empty.txt --out m").fails(1, "'empty.txt' is empty");
    place.write("latin1.txt", b"line one\ncaf\xe9\n");
    place
        .run("train latin1.txt --out m")
        .fails(1, "'latin1.txt' is not UTF-8 text: invalid bytes at offset 12, line 2");
    fs::create_dir(place.path("folder")).unwrap();
    place.run("train folder --out m").fails(1, "the folder 'folder' has no text files");
    assert!(!place.path("m").exists(), "nothing is written before the text is read");
}

#[test]
fn settings_out_of_range() {
    let place = Place::new();
    for (arguments, text) in [
        ("--lr -1", "learning rate"),
        ("--lr NaN", "learning rate"),
        ("--dropout 1.5", "dropout"),
        ("--hidden 0", "must be"),
        ("--epochs 0", "must be"),
        ("--cell lsmt", "invalid value 'lsmt'"),
        ("--schedule sometimes", "unknown schedule 'sometimes'"),
        ("--device cuda:0", "the device 'cuda:0' is not compiled in: build with `--features cuda`"),
        ("--device gpu", "unknown device 'gpu': expected auto, or one of"),
        ("--nonsense", "unexpected argument '--nonsense'"),
    ] {
        place.run(&format!("train text.txt --out m {arguments}")).fails(2, text);
    }
    place.run("train text.txt").fails(2, "--out <DIR>");
    place
        .run("train text.txt --out m --vocab 0")
        .fails(2, "a vocabulary of 0 is too small: bpe tokens need at least 256");
    place
        .run("train text.txt --out m --batch 5000")
        .fails(1, "a batch of 5000 needs at least 10000 tokens, and the text has");
    place.write("short.txt", "a");
    place.run("train text.txt --valid short.txt --out m --tokens char").fails(1, "the validation text has 1 tokens");
    assert!(!place.path("m").exists(), "nothing is written by a run that cannot be");
}

#[test]
fn an_instruction_set_that_there_is_not() {
    let place = Place::new();
    place.run_with("devices", &[("ELMAN_CPU", "mmx")]).fails(
        2,
        "the environment variable ELMAN_CPU is wrong: unknown instruction set 'mmx': expected one of portable",
    );
    place.run_with("devices", &[("ELMAN_CPU", "portable")]).succeeds();
}

#[cfg(feature = "wgpu")]
#[test]
fn a_driver_that_there_is_not() {
    let place = Place::new();
    place.run_with("devices", &[("ELMAN_CUBE", "steps")]).fails(
        2,
        "the environment variable ELMAN_CUBE is wrong: unknown driver 'steps': expected step, resident or persistent",
    );
    place.run_with("devices", &[("ELMAN_CUBE", "step")]).succeeds();
}

#[test]
fn a_run_that_failed_is_not_in_the_way_of_the_next() {
    let place = Place::new();
    let settings = "--tokens char --embed 8 --hidden 8 --layers 1 --epochs 1";
    place
        .run(&format!("train text.txt --out m {settings} --optimizer sgd --lr 1e50 --clip 0"))
        .fails(1, "training diverged at step");
    assert!(place.path("m/train.jsonl").exists() && !place.path("m/config.json").exists());
    place.run(&format!("train text.txt --out m {settings}")).succeeds();
    // but a file of that name that is none of ours is kept
    fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/train.jsonl", "{\"question\": 1}\n");
    place.run(&format!("train text.txt --out mine {settings}")).fails(2, "'mine' already has a train.jsonl");
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let place = Place::new();
    place.train();
    place.write("long.txt", "a line of some length\n".repeat(2000));
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("elman"));
    command.current_dir(place.path(".")).args(["embed", "long.txt", "--model", "model"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // the pipe is closed after one line, with most of the output to come
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"text\":\"a line of some length\""), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn models_that_are_damaged_or_disagree() {
    let place = Place::new();
    place.run("eval text.txt --model nowhere").fails(1, "'nowhere' is no model directory");
    place.train();
    place
        .run("train text.txt --out model")
        .fails(2, "already has a training run: go on with --resume, choose another --out, or");

    let weights = fs::read(place.path("model/model.safetensors")).unwrap();
    place.write("model/model.safetensors", &weights[..weights.len() / 2]);
    place.run("generate --model model").fails(1, "model.safetensors'");
    place.write("model/model.safetensors", &weights);

    let config = fs::read_to_string(place.path("model/config.json")).unwrap();
    let other = config.replace("\"d_hidden\": 16", "\"d_hidden\": 17");
    assert_ne!(config, other);
    place.write("model/config.json", &other);
    place.run("generate --model model").fails(1, "disagree with the network");
    place.write("model/config.json", config.replace("\"format_version\": 1", "\"format_version\": 9"));
    place.run("generate --model model").fails(1, "9");
    place.write("model/config.json", "{");
    place.run("generate --model model").fails(1, "config.json'");
    place.write("model/config.json", &config);
    place.run("generate --model model --max-tokens 3").succeeds();

    // a tokenizer with ids that the model does not have
    let tokenizer = fs::read_to_string(place.path("model/tokenizer.json")).unwrap();
    place.write("model/tokenizer.json", tokenizer.replace("\"m\": ", "\"m\": 99"));
    place.run("generate --model model").fails(1, "tokenizer");
}

#[test]
fn stores_that_do_not_fit() {
    let place = Place::new();
    place.train();
    place.run("search x --store nowhere").fails(1, "'nowhere'");
    place.run("index text.txt --model model --store store").succeeds();
    place.run("index text.txt --model model --store store --pool max").fails(1, "another model or other settings");
    place
        .run("search cat --store store --filter year=1")
        .fails(1, "no entry has the field year: entries have canonical_path, file, line");
    place.run("search cat --store store --filter year").fails(2, "at character 5 =, !=");
    fs::rename(place.path("model"), place.path("moved")).unwrap();
    place.run("search cat --store store").fails(1, "if it has moved, give --model");
    place.run("search cat --store store --model moved").succeeds();
    place.run("train text.txt --out moved --force --tokens char --hidden 16 --layers 1 --epochs 1").succeeds();
    place.run("search cat --store store --model moved").fails(1, "was made with another model");
    place.write("blank.txt", "\n\n  \n");
    place.run("index blank.txt --model moved --store other").fails(1, "'blank.txt' has no text");
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::new();
    place.train();
    place
        .run("embed text.txt --model model -o vectors.csv")
        .fails(2, "the name must end in .npy, .safetensors or .jsonl");
    place.run("embed text.txt --model model -o no/such/folder/v.npy").fails(1, "cannot write 'no/such/folder/v.npy'");
    place.run("embed text.txt --model model --pool median").fails(2, "unknown pooling 'median'");
    place.run("embed text.txt --model model --layer 2").fails(2, "layer 2 does not exist: the model has 1 layer");
}

#[test]
fn nothing_is_read_in_batches_of_nothing() {
    let place = Place::new();
    place.train();
    for precision in ["", "--precision int8"] {
        let eval = |sizes: &str| place.run(&format!("eval text.txt --model model {sizes} {precision}"));
        eval("--batch 0").fails(2, "batch must be at least 1, not 0");
        eval("--bptt 0").fails(2, "bptt must be at least 1, not 0");
    }
}
