//! Damaged or forged models, and models that are not regular files: a one-line error, without delay.

mod common;

use std::{
    fs,
    time::{Duration, Instant},
};

use common::TestDir;
use safetensors::SafeTensors;

/// Fills a tensor of the model's weights with a value of alternating sign.
fn fill(dir: &TestDir, tensor: &str, value: f32) {
    let path = dir.path("model/model.safetensors");
    let mut file = fs::read(&path).unwrap();
    let (header, metadata) = SafeTensors::read_metadata(&file).unwrap();
    let (begin, end) = metadata.info(tensor).unwrap().data_offsets;
    let values = file[8 + header + begin..8 + header + end].as_chunks_mut::<4>().0;
    // both signs, so that predictions differ
    values.iter_mut().enumerate().for_each(|(n, x)| *x = if n % 3 == 0 { value } else { -value }.to_le_bytes());
    fs::write(path, file).unwrap();
}

#[test]
fn non_finite_values_are_errors() {
    let dir = TestDir::new();
    dir.train();
    let commands = [
        "eval text.txt --model model",
        "generate --model model",
        "embed text.txt --model model",
        "index text.txt --model model --store store",
    ];
    for value in [f32::NAN, f32::INFINITY] {
        fill(&dir, "network.weight_hh_l0", value);
        for command in commands {
            let expected = "the weights 'model/model.safetensors' cannot be used: 'network.weight_hh_l0' has a value that is not finite";
            dir.run(command).fails(1, expected);
        }
    }
    assert!(!dir.path("store").exists());
    // finite weights with sums that overflow
    dir.run("train text.txt --out model --force --tokens char --cell min-gru --embed 8 --hidden 16 --layers 2 --batch 4 --bptt 16 --epochs 1").succeeds();
    for tensor in ["network.weight_ih_l0", "network.weight_ih_l1", "network.bias_ih_l0"] {
        fill(&dir, tensor, 3e38);
    }
    let expected = "the model 'model' computed a vector that is not finite";
    dir.run("embed text.txt --model model").fails(1, expected);
    dir.run("index text.txt --model model --store store").fails(1, expected);
    for command in ["eval text.txt --model model", "eval text.txt --model model --weight-dtype int8"] {
        dir.run(command).fails(1, "the model 'model' cannot be used: the model's output is not finite");
    }
}

#[test]
fn sizes_that_do_not_match_the_weights_fail_fast() {
    let dir = TestDir::new();
    dir.train();
    let path = dir.path("model/config.json");
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (name, value, expected) in [
        ("d_hidden", serde_json::json!(65_536), "is too small for its config.json"),
        ("layers", serde_json::json!(256), "the weights"),
        ("init_range", serde_json::json!(1e39), "the model 'model' cannot be used: init_range must be 0 to 1000"),
    ] {
        let mut config = whole.clone();
        config["model"][name] = value;
        fs::write(&path, config.to_string()).unwrap();
        let start = Instant::now();
        dir.run("generate --model model").fails(1, expected);
        assert!(start.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[cfg(unix)]
#[test]
fn pipes_and_devices_are_not_read() {
    let dir = TestDir::new();
    dir.train();
    let pipe = |name: &str| {
        let path = dir.path(name);
        let _ = fs::remove_file(&path);
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    };
    pipe("pipe.npy");
    let expected = "it is a device, not a regular file";
    dir.run("classify run text.txt --classifier /dev/zero").fails(1, expected);
    dir.run("embed /dev/zero --model model").fails(1, expected);
    dir.run("import /dev/zero --config model/config.json --tokenizer model/tokenizer.json --out imported")
        .fails(1, expected);
    dir.run("encoder train text.txt --teacher pipe.npy --out encoder").fails(1, "it is a pipe, not a regular file");
    for name in ["model/model.safetensors", "model/tokenizer.json", "model/config.json"] {
        pipe(name);
        for command in ["generate --model model", "embed text.txt --model model"] {
            dir.run(command).fails(1, &format!("cannot read '{name}': it is a pipe, not a regular file"));
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_reported_and_an_older_one_used() {
    let dir = TestDir::new();
    let train = "train text.txt --out model --tokens char --embed 8 --hidden 16 --layers 1 --batch 4 --bptt 16 --checkpoint-every 3";
    dir.run(&format!("{train} --epochs 1")).succeeds();
    let mut files: Vec<_> =
        fs::read_dir(dir.path("model/checkpoints")).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    let [older, latest] = &files[..] else { panic!("{files:?}") };
    let mut bytes = fs::read(latest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(latest, bytes).unwrap();
    let result = dir.run(&format!("{train} --epochs 2 --resume"));
    result.succeeds();
    let name = |path: &std::path::Path| path.file_name().unwrap().to_string_lossy().into_owned();
    let stderr = result.stderr();
    assert!(stderr.contains(&format!("{}': it is damaged", name(latest))), "{stderr}");
    assert!(stderr.contains(&format!("resuming from 'model/checkpoints/{}'", name(older))), "{stderr}");
    // now all checkpoints are damaged
    for file in fs::read_dir(dir.path("model/checkpoints")).unwrap() {
        let path = file.unwrap().path();
        let mut bytes = fs::read(&path).unwrap();
        bytes.truncate(100);
        fs::write(path, bytes).unwrap();
    }
    dir.run(&format!("{train} --epochs 3 --resume")).fails(1, "no older checkpoint is usable: train without resuming");
}
