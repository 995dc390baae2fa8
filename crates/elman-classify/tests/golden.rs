//! Weights, probabilities and scores compared with scikit-learn's; see `golden/logistic.py`.

use elman_classify::{Classifier, Confusion, Examples, LogisticConfig};
use serde::Deserialize;

/// Both solvers stop at a vanishing gradient; weights of some tens are stored in f32.
const WEIGHT_TOLERANCE: f64 = 2e-5;
const PROBABILITY_TOLERANCE: f64 = 1e-6;
/// Probabilities at the default tolerance.
const DEFAULT_TOLERANCE: f64 = 1e-3;
/// Ratios of counts, in f64.
const ROUNDING: f64 = 1e-12;

#[derive(Deserialize)]
struct Case {
    x: Vec<Vec<f32>>,
    labels: Vec<String>,
    regressions: Vec<Regression>,
    accuracy: f64,
    macro_f1: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
}

#[derive(Deserialize)]
struct Regression {
    strength: f64,
    weights: Vec<Vec<f64>>,
    biases: Vec<f64>,
    probabilities: Vec<Vec<f64>>,
}

fn cases() -> Vec<(String, Case, Examples)> {
    let cases: std::collections::BTreeMap<String, Case> =
        serde_json::from_str(include_str!("golden/logistic.json")).unwrap();
    let with_examples = |(name, case): (String, Case)| {
        let mut examples = Examples::new(case.x[0].len());
        for (x, label) in case.x.iter().zip(&case.labels) {
            examples.push(x, label).unwrap();
        }
        (name, case, examples)
    };
    cases.into_iter().map(with_examples).collect()
}

fn assert_close(
    what: &str,
    found: impl IntoIterator<Item = f64>,
    expected: impl IntoIterator<Item = f64>,
    tolerance: f64,
) {
    let (found, expected): (Vec<f64>, Vec<f64>) = (found.into_iter().collect(), expected.into_iter().collect());
    assert_eq!(found.len(), expected.len(), "{what}");
    for (found, expected) in found.iter().zip(&expected) {
        assert!((found - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {found}, not {expected}");
    }
}

fn probabilities(classifier: &Classifier, case: &Case, probed: usize) -> Vec<f64> {
    case.x[..probed].iter().flat_map(|x| classifier.predict(x).unwrap().probabilities).collect()
}

#[test]
fn regressions_match_scikit_learn() {
    for (name, case, examples) in cases() {
        for regression in &case.regressions {
            let what = format!("{name}, strength {}", regression.strength);
            let config = LogisticConfig::default().with_strength(regression.strength);
            let exact = LogisticConfig { tolerance: 1e-10, ..config.clone() }.train(&examples).unwrap();
            assert!(exact.converged, "{what}: {} iterations", exact.iterations);
            let floats = |values: &[f32]| values.iter().map(|w| f64::from(*w)).collect::<Vec<_>>();
            let exact = exact.classifier;
            assert_close(&what, floats(exact.weights()), regression.weights.concat(), WEIGHT_TOLERANCE);
            assert_close(&what, floats(exact.biases()), regression.biases.iter().copied(), WEIGHT_TOLERANCE);
            let (probed, expected) = (regression.probabilities.len(), regression.probabilities.concat());
            assert_close(&what, probabilities(&exact, &case, probed), expected.iter().copied(), PROBABILITY_TOLERANCE);
            let trained = config.train(&examples).unwrap();
            assert!(trained.converged, "{what}");
            assert_close(&what, probabilities(&trained.classifier, &case, probed), expected, DEFAULT_TOLERANCE);
        }
    }
}

#[test]
fn scores_match_scikit_learn() {
    for (name, case, examples) in cases() {
        let strength = case.regressions.last().unwrap().strength;
        let classifier = LogisticConfig::default().with_strength(strength).train(&examples).unwrap().classifier;
        let mut confusion = Confusion::new(classifier.labels());
        for (x, label) in case.x.iter().zip(&case.labels) {
            confusion.add(classifier.class(label).unwrap(), classifier.predict(x).unwrap().class);
        }
        let scores = confusion.scores();
        assert_close(&name, [scores.accuracy, scores.macro_f1], [case.accuracy, case.macro_f1], ROUNDING);
        assert_close(&name, scores.labels.iter().map(|l| l.precision), case.precision, ROUNDING);
        assert_close(&name, scores.labels.iter().map(|l| l.recall), case.recall, ROUNDING);
        assert_close(&name, scores.labels.iter().map(|l| l.f1), case.f1, ROUNDING);
        assert_eq!(scores.labels.iter().map(|l| l.examples).collect::<Vec<_>>(), case.support, "{name}");
    }
}
