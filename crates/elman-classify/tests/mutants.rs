//! Damaged files of classifiers: each is an error in one line, or predicts probabilities.

use std::fs;

use elman_classify::{Classifier, Examples, LogisticConfig};
use elman_testkit::Mutants;

fn saved(labels: &[&str]) -> Vec<u8> {
    let mut examples = Examples::new(3);
    for n in 0..12 {
        let x = [n % 3, n % 2, n].map(|x| x as f32);
        examples.push(&x, labels[n % labels.len()]).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    let classifier = LogisticConfig::default().train(&examples).unwrap().classifier;
    classifier.with_model("a model").save(file.path()).unwrap();
    fs::read(file.path()).unwrap()
}

#[test]
fn damaged_files_are_errors_or_give_probabilities() {
    let mut mutants = Mutants::new(2000);
    let whole = [saved(&["a", "b"]), saved(&["a", "b", "c"])];
    let file = tempfile::NamedTempFile::new().unwrap();
    let (mut refused, mut read) = (0, 0);
    for n in 0..mutants.count() {
        fs::write(file.path(), mutants.safetensors(&whole[n % 2])).unwrap();
        match Classifier::load(file.path()) {
            Ok(classifier) => {
                let prediction = classifier.predict(&vec![1.0; classifier.width()]).unwrap();
                let sum: f64 = prediction.probabilities.iter().sum();
                assert!((sum - 1.0).abs() < 1e-9 && prediction.probability().is_finite(), "mutant {n}: {prediction:?}");
                assert!(prediction.class < classifier.labels().len());
                read += 1;
            }
            Err(error) => {
                let message = error.to_string();
                let named = message.contains(&*file.path().to_string_lossy());
                assert!(named && !message.contains('\n'), "mutant {n}: {message}");
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && read > 0, "{refused} were refused and {read} read");
}

#[cfg(unix)]
#[test]
fn a_pipe_in_the_place_of_a_file_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let message = Classifier::load(&path).unwrap_err().to_string();
    assert_eq!(message, format!("cannot read '{}': it is a pipe, not a regular file", path.display()));
}
