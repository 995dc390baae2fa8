//! Invariants of classifiers, and their error messages.

use std::fs;

use elman_classify::{Classifier, ClassifyError, Confusion, Examples, LogisticConfig, cross_validate};

/// Points in the plane around one center per label, at distances up to `spread`.
fn examples(labels: &[&str], count: usize, spread: f32) -> Examples {
    let mut examples = Examples::new(2);
    for n in 0..count {
        let class = n % labels.len();
        let (angle, turn) = (class as f32 / labels.len() as f32, n as f32 * 2.4);
        let at = |f: fn(f32) -> f32| f(angle * std::f32::consts::TAU) + spread * f(turn) * (n as f32 * 0.37).sin();
        examples.push(&[at(f32::cos), at(f32::sin)], labels[class]).unwrap();
    }
    examples
}

#[test]
fn training_terminates_for_any_strength() {
    for labels in [&["a", "b"][..], &["a", "b", "c", "d", "e"]] {
        for spread in [0.0, 0.1, 1.0, 3.0] {
            for strength in [1e-9, 1.0, 1e3, 1e6, 1e12] {
                let examples = examples(labels, 500, spread);
                let trained = LogisticConfig::default().with_strength(strength).train(&examples).unwrap();
                let classifier = trained.classifier;
                assert!(classifier.weights().iter().chain(classifier.biases()).all(|w| w.is_finite()));
                for row in 0..examples.len() {
                    let prediction = classifier.predict(examples.vector(row)).unwrap();
                    assert!((prediction.probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-9);
                    if spread < 0.2 && strength >= 1.0 {
                        assert_eq!(prediction.class, examples.classes()[row], "{labels:?} {spread} {strength}");
                    }
                }
            }
        }
    }
}

#[test]
fn values_of_any_magnitude_give_a_classifier_or_an_error() {
    for scale in [1e-30, 1e-3, 1e3, 1e10, 1e30, 3e38] {
        let mut examples = Examples::new(2);
        for n in 0..100 {
            let x = (n as f32 * 0.7).sin();
            examples.push(&[x * scale, -scale], if x > 0.3 { "a" } else { "b" }).unwrap();
        }
        match LogisticConfig::default().train(&examples) {
            Ok(trained) => assert!(trained.classifier.weights().iter().all(|w| w.is_finite()), "{scale}"),
            Err(error) => assert!(matches!(error, ClassifyError::Diverged), "{scale}: {error}"),
        }
    }
}

#[test]
fn the_order_of_examples_does_not_matter() {
    let forward = examples(&["b", "a", "c"], 90, 0.8);
    let mut reversed = Examples::new(2);
    for row in (0..forward.len()).rev() {
        reversed.push(forward.vector(row), &forward.labels()[forward.classes()[row]]).unwrap();
    }
    let config = LogisticConfig { tolerance: 1e-9, ..LogisticConfig::default() };
    let [forward, reversed] = [&forward, &reversed].map(|examples| config.train(examples).unwrap().classifier);
    assert_eq!(forward.labels(), ["a", "b", "c"]);
    for (a, b) in forward.weights().iter().zip(reversed.weights()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn cross_validation_evaluates_on_unseen_examples() {
    let config = LogisticConfig::default();
    let easy = examples(&["a", "b", "c"], 90, 0.1);
    let validation = cross_validate(&config, &easy, 5, 0).unwrap();
    assert_eq!((validation.accuracies.len(), validation.mean(), validation.deviation()), (5, 1.0, 0.0));
    assert_eq!(validation.confusion.scores().examples, 90);

    // labels independent of the vectors can be memorized, but not predicted
    let mut noise = Examples::new(40);
    for n in 0_u32..120 {
        let hash = |j: u32| ((n * 40 + j).wrapping_mul(2_654_435_769) >> 7) % 1000;
        let vector: Vec<f32> = (0..40).map(|j| hash(j) as f32 / 500.0 - 1.0).collect();
        noise.push(&vector, ["a", "b"][(n / 2 % 2) as usize]).unwrap();
    }
    let config = config.with_strength(1e4);
    let validation = cross_validate(&config, &noise, 4, 1).unwrap();
    assert!((0.25..0.75).contains(&validation.mean()), "{}", validation.mean());
    let again = cross_validate(&config, &noise, 4, 1).unwrap();
    assert_eq!(validation.accuracies, again.accuracies);
}

#[test]
fn a_saved_classifier_loads_unchanged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classifier");
    for labels in [&["no", "yes"][..], &["b \"1\"", "c", "ä"]] {
        let trained = LogisticConfig::default().train(&examples(labels, 60, 0.5)).unwrap();
        let classifier = trained.classifier.with_model(serde_json::json!({"name": "a model", "layers": [1, 2]}));
        classifier.save(&path).unwrap();
        assert_eq!(Classifier::load(&path).unwrap(), classifier);
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(matches!(two_label_classifier().save(folder.path().join("no/such")), Err(ClassifyError::Write { .. })));
}

fn two_label_classifier() -> Classifier {
    LogisticConfig::default().train(&examples(&["a", "b"], 20, 0.5)).unwrap().classifier
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("classifier");
    let message = || Classifier::load(&path).unwrap_err().to_string();
    assert!(message().contains("cannot read") && message().contains("No such file"));
    fs::write(&path, "hello").unwrap();
    assert!(message().contains("is not a classifier"), "{}", message());
    two_label_classifier().save(&path).unwrap();
    let good = fs::read(&path).unwrap();
    for end in 0..good.len() {
        fs::write(&path, &good[..end]).unwrap();
        assert!(matches!(Classifier::load(&path), Err(ClassifyError::NotAClassifier { .. })), "{end} bytes");
    }
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x15;
        fs::write(&path, &bad).unwrap();
        drop(Classifier::load(&path)); // must not panic
    }
    let replaced = |from: &str, to: &str| {
        let text = String::from_utf8_lossy(&good[8..]).replace(from, to);
        assert!(text.contains(to) && from.len() == to.len(), "{text}");
        let (length, bytes) = (&good[..8], &good[8..]);
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        fs::write(&path, [length, &bytes[..at], to.as_bytes(), &bytes[at + from.len()..]].concat()).unwrap();
        message()
    };
    assert!(replaced(r#"\"version\":1"#, r#"\"version\":9"#).contains("has format version 9, and this build reads 1"));
    assert!(replaced(r#"[\"a\",\"b\"]"#, r#"[\"b\",\"a\"]"#).contains("alphabetical order"));
}

#[test]
fn invalid_arguments_are_errors() {
    let config = LogisticConfig::default();
    let error = |error: ClassifyError| error.to_string();
    assert_eq!(error(config.train(&Examples::new(2)).unwrap_err()), "there are no examples to learn from");
    assert_eq!(
        error(config.train(&examples(&["a"], 5, 1.0)).unwrap_err()),
        "all examples have the label 'a': a classifier needs at least two labels"
    );
    let two = examples(&["a", "b"], 7, 1.0);
    assert_eq!(
        error(cross_validate(&config, &two, 4, 0).unwrap_err()),
        "4 folds need at least 4 examples of each label, but 'b' has 3: add examples or use fewer folds"
    );
    assert_eq!(error(cross_validate(&config, &two, 1, 0).unwrap_err()), "folds must be at least 2, not 1");
    for strength in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let text = error(config.clone().with_strength(strength).train(&two).unwrap_err());
        assert!(text.starts_with("C must be a number above 0, not "), "{text}");
    }
    let mut examples = two;
    assert_eq!(error(examples.push(&[1.0], "a").unwrap_err()), "expected a vector of dimension 2, found 1");
    assert_eq!(error(examples.push(&[1.0, 2.0], "").unwrap_err()), "a label is empty");
    assert!(error(examples.push(&[1.0, f32::NAN], "a").unwrap_err()).contains("NaN at position 1"));
    assert_eq!(examples.len(), 7);
    let classifier = config.train(&examples).unwrap().classifier;
    assert_eq!(error(classifier.class("c").unwrap_err()), "unknown label 'c': the classifier has 'a', 'b'");
    assert!(classifier.predict(&[0.0]).is_err());
}

#[test]
fn labels_that_never_occur_score_0() {
    let mut confusion = Confusion::new(&["a", "b", "c"].map(String::from));
    assert_eq!(confusion.scores().accuracy, 0.0);
    for (truth, predicted) in [(0, 0), (0, 1), (1, 1)] {
        confusion.add(truth, predicted);
    }
    let scores = confusion.scores();
    assert_eq!((scores.labels[2].precision, scores.labels[2].recall, scores.labels[2].f1), (0.0, 0.0, 0.0));
    assert!((scores.macro_f1 - 2.0 / 3.0).abs() < 1e-12, "over the labels that occur: {}", scores.macro_f1);
}
