//! Errors of users: a one-line message, the right exit code, and no data loss.

mod common;

use std::{
    fs,
    io::{BufRead, BufReader},
    process::Stdio,
};

use common::TestDir;

#[test]
fn unreadable_texts_are_reported() {
    let dir = TestDir::new();
    dir.run("train no.txt --out m").fails(1, "cannot read 'no.txt': No such file");
    dir.write("empty.txt", "");
    dir.run("train empty.txt --out m").fails(1, "'empty.txt' is empty");
    dir.write("latin1.txt", b"line one\ncaf\xe9\n");
    dir.run("train latin1.txt --out m").fails(1, "'latin1.txt' is not UTF-8 text: invalid bytes at offset 12, line 2");
    fs::create_dir(dir.path("folder")).unwrap();
    dir.run("train folder --out m").fails(1, "the folder 'folder' has no text files");
    assert!(!dir.path("m").exists(), "nothing is written before the text is read");
}

#[test]
fn invalid_settings_are_reported() {
    let dir = TestDir::new();
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
        dir.run(&format!("train text.txt --out m {arguments}")).fails(2, text);
    }
    dir.run("train text.txt").fails(2, "--out <DIR>");
    dir.run("train text.txt --out m --vocab-size 0")
        .fails(2, "a vocabulary of 0 is too small: bpe tokens need at least 256");
    dir.run("train text.txt --out m --batch 5000")
        .fails(1, "a batch of 5000 needs at least 10000 tokens, but the text has");
    dir.write("short.txt", "a");
    dir.run("train text.txt --valid short.txt --out m --tokens char").fails(1, "the validation text has 1 tokens");
    assert!(!dir.path("m").exists(), "nothing is written by an invalid run");
}

#[test]
fn unknown_instruction_sets_are_reported() {
    let dir = TestDir::new();
    dir.run_with("devices", &[("ELMAN_CPU", "mmx")])
        .fails(2, "invalid environment variable ELMAN_CPU: unknown instruction set 'mmx': expected one of portable");
    dir.run_with("devices", &[("ELMAN_CPU", "portable")]).succeeds();
}

#[cfg(feature = "wgpu")]
#[test]
fn unknown_drivers_are_reported() {
    let dir = TestDir::new();
    dir.run_with("devices", &[("ELMAN_CUBE", "steps")]).fails(
        2,
        "invalid environment variable ELMAN_CUBE: unknown driver 'steps': expected step, resident or persistent",
    );
    dir.run_with("devices", &[("ELMAN_CUBE", "step")]).succeeds();
}

#[test]
fn a_failed_run_can_be_repeated() {
    let dir = TestDir::new();
    let settings = "--tokens char --embed 8 --hidden 8 --layers 1 --epochs 1";
    dir.run(&format!("train text.txt --out m {settings} --optimizer sgd --lr 1e50 --clip 0"))
        .fails(1, "training diverged at step");
    assert!(dir.path("m/train.jsonl").exists() && !dir.path("m/config.json").exists());
    dir.run(&format!("train text.txt --out m {settings}")).succeeds();
    // a file of the same name that elman did not write is not overwritten
    fs::create_dir(dir.path("mine")).unwrap();
    dir.write("mine/train.jsonl", "{\"question\": 1}\n");
    dir.run(&format!("train text.txt --out mine {settings}")).fails(2, "'mine' already has a train.jsonl");
}

#[test]
fn a_broken_pipe_is_not_an_error() {
    let dir = TestDir::new();
    dir.train();
    dir.write("long.txt", "a line of some length\n".repeat(2000));
    let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin!("elman"));
    command.current_dir(dir.path(".")).args(["embed", "long.txt", "--model", "model"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // closes the pipe after one line, before most of the output
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("{\"text\":\"a line of some length\""), "{first}");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}

#[test]
fn damaged_and_inconsistent_models_are_reported() {
    let dir = TestDir::new();
    dir.run("eval text.txt --model nowhere").fails(1, "'nowhere' is not a model directory");
    dir.train();
    dir.run("train text.txt --out model")
        .fails(2, "already has a training run: use --resume to continue it, --force to overwrite it, or");

    let weights = fs::read(dir.path("model/model.safetensors")).unwrap();
    dir.write("model/model.safetensors", &weights[..weights.len() / 2]);
    dir.run("generate --model model").fails(1, "model.safetensors'");
    dir.write("model/model.safetensors", &weights);

    let config = fs::read_to_string(dir.path("model/config.json")).unwrap();
    let other = config.replace("\"d_hidden\": 16", "\"d_hidden\": 17");
    assert_ne!(config, other);
    dir.write("model/config.json", &other);
    dir.run("generate --model model").fails(1, "do not match the network");
    dir.write("model/config.json", config.replace("\"format_version\": 1", "\"format_version\": 9"));
    dir.run("generate --model model").fails(1, "9");
    dir.write("model/config.json", "{");
    dir.run("generate --model model").fails(1, "config.json'");
    dir.write("model/config.json", &config);
    dir.run("generate --model model --max-tokens 3").succeeds();

    // a tokenizer with ids beyond the model's vocabulary
    let tokenizer = fs::read_to_string(dir.path("model/tokenizer.json")).unwrap();
    dir.write("model/tokenizer.json", tokenizer.replace("\"m\": ", "\"m\": 99"));
    dir.run("generate --model model").fails(1, "tokenizer");
}

#[test]
fn mismatched_stores_are_reported() {
    let dir = TestDir::new();
    dir.train();
    dir.run("search x --store nowhere").fails(1, "'nowhere'");
    dir.run("index text.txt --model model --store store").succeeds();
    dir.run("index text.txt --model model --store store --pool max").fails(1, "another model or other settings");
    dir.run("search cat --store store --filter year=1")
        .fails(1, "no entry has the field year: entries have canonical_path, file, line");
    dir.run("search cat --store store --filter year").fails(2, "expected =, !=");
    fs::rename(dir.path("model"), dir.path("moved")).unwrap();
    dir.run("search cat --store store").fails(1, "if it has moved, pass --model");
    dir.run("search cat --store store --model moved").succeeds();
    dir.run("train text.txt --out moved --force --tokens char --hidden 16 --layers 1 --epochs 1").succeeds();
    dir.run("search cat --store store --model moved").fails(1, "was created with another model");
    dir.write("blank.txt", "\n\n  \n");
    dir.run("index blank.txt --model moved --store other").fails(1, "'blank.txt' has no text");
}

#[test]
fn unwritable_outputs_are_reported() {
    let dir = TestDir::new();
    dir.train();
    dir.run("embed text.txt --model model -o vectors.csv")
        .fails(2, "the file name must end in .npy, .safetensors or .jsonl");
    dir.run("embed text.txt --model model -o no/such/folder/v.npy").fails(1, "cannot write 'no/such/folder/v.npy'");
    dir.run("embed text.txt --model model --pool median").fails(2, "unknown pooling 'median'");
    dir.run("embed text.txt --model model --layer 2").fails(2, "layer 2 does not exist: the model has 1 layer");
}

#[test]
fn zero_batch_sizes_are_reported() {
    let dir = TestDir::new();
    dir.train();
    for dtype in ["", "--weight-dtype int8"] {
        let eval = |sizes: &str| dir.run(&format!("eval text.txt --model model {sizes} {dtype}"));
        eval("--batch 0").fails(2, "batch must be at least 1, not 0");
        eval("--bptt 0").fails(2, "bptt must be at least 1, not 0");
    }
}
