//! Files of earlier versions still open, with the same results. `earlier/` was written by version 0.1.0 before its
//! release, when dtypes and the Elman network had other names.

mod common;

use std::{fs, path::Path};

use common::TestDir;

/// Copies the files, since commands write to some of them.
fn earlier() -> TestDir {
    let dir = TestDir::new();
    copy(Path::new("tests/earlier"), &dir.path("."));
    dir
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("tests run in the crate's folder").flatten() {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to)
        } else {
            fs::write(to, fs::read(entry.path()).unwrap()).unwrap()
        }
    }
}

#[test]
fn a_language_model_has_the_same_loss() {
    let loss = earlier().run("eval text.txt --model model").succeeds();
    assert!(loss.contains("3.3081"), "{loss}");
}

#[test]
fn a_checkpoint_resumes() {
    let settings = "train text.txt --out run --tokens char --cell lstm --embed 4 --hidden 6 --layers 1 --batch 4 --bptt 4 \
                    --epochs 400 --dropout 0.3 --resume";
    let result = earlier().run(settings);
    result.succeeds();
    assert!(result.stderr().contains("step 300"), "{}", result.stderr());
}

#[test]
fn a_checkpoint_of_an_encoder_resumes() {
    let settings = "encoder train text.txt --out encoder-run --tokenizer model/tokenizer.json --embed 4 --hidden 6 --dim 4 \
                    --epochs 400 --batch 8 --lm-loss-weight 0.5 --resume";
    let result = earlier().run(settings);
    result.succeeds();
    assert!(result.stderr().contains("resuming after step 198"), "{}", result.stderr());
}

#[test]
fn an_encoder_and_its_store_return_the_same_hits() {
    let dir = earlier();
    let hits = dir.run("search --store store.elman --model encoder --json cat").json();
    assert_eq!(hits[0]["id"], "text.txt:7", "{hits}");
    assert_eq!(dir.run("store info store.elman --json").json()["entries"], 40);
}

#[test]
fn a_classifier_predicts_the_same_labels() {
    let labels = earlier().run("classify run --classifier labels.classifier --model encoder text.txt").succeeds();
    assert!(labels.starts_with("cat\t0.365"), "{labels}");
}

#[test]
fn vectors_open() {
    let settings = "encoder train text.txt --teacher float32.npy --tokenizer model/tokenizer.json --embed 4 --hidden 6 --dim 4 \
                    --steps 1 --out new";
    earlier().run(settings).succeeds();
}
