//! Damaged classifier files: each gives a one-line error or predicts valid probabilities.

use std::path::Path;

use elman_classify::{Classifier, ClassifyError, Examples, LogisticConfig};
use elman_testkit::Mutants;

fn save(path: &Path, labels: &[&str]) {
    let mut examples = Examples::new(3);
    for n in 0..12 {
        let x = [n % 3, n % 2, n].map(|x| x as f32);
        examples.push(&x, labels[n % labels.len()]).unwrap();
    }
    let classifier = LogisticConfig::default().train(&examples).unwrap().classifier;
    classifier.with_model("a model").save(path).unwrap();
}

#[test]
fn damaged_files_are_errors_or_give_probabilities() {
    let folder = tempfile::tempdir().unwrap();
    let files = ["two.safetensors", "three.safetensors"].map(|name| folder.path().join(name));
    save(&files[0], &["a", "b"]);
    save(&files[1], &["a", "b", "c"]);
    Mutants::new(2000).damage(&files, |path| {
        let classifier = Classifier::load(path)?;
        let prediction = classifier.predict(&vec![1.0; classifier.width()])?;
        let sum: f64 = prediction.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-9 && prediction.probability().is_finite(), "{prediction:?}");
        assert!(prediction.class < classifier.labels().len());
        Ok::<_, ClassifyError>(())
    });
}

#[cfg(unix)]
#[test]
fn a_pipe_instead_of_a_file_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c");
    assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
    let message = Classifier::load(&path).unwrap_err().to_string();
    assert_eq!(message, format!("cannot read '{}': it is a pipe, not a regular file", path.display()));
}
