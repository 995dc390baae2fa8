//! Files that earlier versions wrote still open, with the same results. `earlier/` was written by version 0.1.0 before it had
//! been released, when dtypes and the simple network had other names.

mod common;

use std::{fs, path::Path};

use common::Place;

/// Copies the files, since commands write to some of them.
fn earlier() -> Place {
    let place = Place::new();
    copy(Path::new("tests/earlier"), &place.path("."));
    place
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
fn a_language_model_predicts_as_well_as_it_did() {
    let loss = earlier().run("eval text.txt --model model").succeeds();
    assert!(loss.contains("3.3081"), "{loss}");
}

#[test]
fn a_checkpoint_resumes() {
    let settings = "train text.txt --out run --tokens char --cell lstm --embed 4 --hidden 6 --layers 1 --batch 4 --bptt 4 \
                    --epochs 400 --dropout 0.3 --resume";
    let answer = earlier().run(settings);
    answer.succeeds();
    assert!(answer.stderr().contains("step 300"), "{}", answer.stderr());
}

#[test]
fn a_checkpoint_of_an_encoder_resumes() {
    let settings = "encoder train text.txt --out encoder-run --tokenizer model/tokenizer.json --embed 4 --hidden 6 --width 4 \
                    --epochs 400 --batch 8 --next-word 0.5 --resume";
    earlier().run(settings).succeeds();
}

#[test]
fn an_encoder_and_its_store_find_what_they_found() {
    let place = earlier();
    let hits = place.run("search --store store.elman --model encoder --json cat").json();
    assert_eq!(hits[0]["id"], "text.txt:25", "{hits}");
    assert_eq!(place.run("store info store.elman --json").json()["entries"], 40);
}

#[test]
fn a_classifier_answers_as_it_did() {
    let labels = earlier().run("classify run --classifier labels.classifier --model encoder text.txt").succeeds();
    assert!(labels.starts_with("cat\t0.365"), "{labels}");
}

#[test]
fn vectors_open() {
    let settings = "encoder train text.txt --teacher float32.npy --tokenizer model/tokenizer.json --embed 4 --hidden 6 --width 4 \
                    --steps 1 --out new";
    earlier().run(settings).succeeds();
}
