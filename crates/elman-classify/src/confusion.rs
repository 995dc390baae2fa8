use serde::Serialize;

/// A confusion matrix: how often each label was predicted for each true label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    labels: Vec<String>,
    /// `[true class, predicted class]`.
    counts: Vec<u64>,
}

/// The scores of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Number of examples.
    pub examples: u64,
    /// The fraction of examples with a correct prediction; 0 without examples.
    pub accuracy: f64,
    /// The mean F1 of the labels that occur as truth or prediction.
    pub macro_f1: f64,
    /// The scores of each label.
    pub labels: Vec<LabelScores>,
}

/// The scores of one label. A ratio with denominator 0 is 0, as in scikit-learn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScores {
    /// The label.
    pub label: String,
    /// True positives / predicted positives.
    pub precision: f64,
    /// True positives / examples with the label.
    pub recall: f64,
    /// The harmonic mean of precision and recall.
    pub f1: f64,
    /// Number of examples with the label (support).
    pub examples: u64,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(labels: &[String]) -> Self {
        Self { labels: labels.to_vec(), counts: vec![0; labels.len() * labels.len()] }
    }

    /// Counts an example.
    ///
    /// # Panics
    /// If a class is out of range.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(
            truth < self.labels.len() && predicted < self.labels.len(),
            "classes {truth}, {predicted} out of range"
        );
        self.counts[truth * self.labels.len() + predicted] += 1;
    }

    /// The scores of the counted examples.
    pub fn scores(&self) -> Scores {
        let classes = self.labels.len();
        let count = |truth: usize, predicted: usize| self.counts[truth * classes + predicted];
        let (mut correct, mut f1, mut occurring) = (0, 0.0, 0);
        let mut labels = Vec::with_capacity(classes);
        for (class, label) in self.labels.iter().enumerate() {
            let true_positives = count(class, class);
            let examples: u64 = (0..classes).map(|other| count(class, other)).sum();
            let predicted: u64 = (0..classes).map(|other| count(other, class)).sum();
            let scores = LabelScores {
                label: label.clone(),
                precision: ratio(true_positives, predicted),
                recall: ratio(true_positives, examples),
                f1: ratio(2 * true_positives, examples + predicted),
                examples,
            };
            correct += true_positives;
            occurring += u64::from(examples + predicted > 0);
            f1 += scores.f1;
            labels.push(scores);
        }
        let examples = self.counts.iter().sum();
        let macro_f1 = if occurring == 0 { 0.0 } else { f1 / occurring as f64 };
        Scores { examples, accuracy: ratio(correct, examples), macro_f1, labels }
    }
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}
