use serde::Serialize;

/// How often each label was taken for each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    labels: Vec<String>,
    /// `[true class, predicted class]`.
    counts: Vec<u64>,
}

/// How right a classifier was.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scores {
    /// Examples that were counted.
    pub examples: u64,
    /// The share of examples that got their label; 0 if there are none.
    pub accuracy: f64,
    /// The mean of all labels' F1 that occur as truth or prediction.
    pub macro_f1: f64,
    /// Each label by itself.
    pub labels: Vec<LabelScores>,
}

/// How right a classifier was about one label. A share of nothing is 0, as in scikit-learn.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScores {
    /// The label.
    pub label: String,
    /// Of the examples that got the label, the share that has it.
    pub precision: f64,
    /// Of the examples that have the label, the share that got it.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// Examples that have the label.
    pub examples: u64,
}

impl Confusion {
    /// Nothing counted yet.
    pub fn new(labels: &[String]) -> Self {
        Self { labels: labels.to_vec(), counts: vec![0; labels.len() * labels.len()] }
    }

    /// Counts an example.
    ///
    /// # Panics
    /// If a class is none of the labels'.
    pub fn add(&mut self, truth: usize, predicted: usize) {
        assert!(truth < self.labels.len() && predicted < self.labels.len(), "classes {truth}, {predicted}");
        self.counts[truth * self.labels.len() + predicted] += 1;
    }

    /// The scores of what was counted.
    pub fn scores(&self) -> Scores {
        let classes = self.labels.len();
        let count = |truth: usize, predicted: usize| self.counts[truth * classes + predicted];
        let (mut right, mut f1, mut occurring) = (0, 0.0, 0);
        let mut labels = Vec::with_capacity(classes);
        for (class, label) in self.labels.iter().enumerate() {
            let hits = count(class, class);
            let examples: u64 = (0..classes).map(|other| count(class, other)).sum();
            let predicted: u64 = (0..classes).map(|other| count(other, class)).sum();
            let scores = LabelScores {
                label: label.clone(),
                precision: share(hits, predicted),
                recall: share(hits, examples),
                f1: share(2 * hits, examples + predicted),
                examples,
            };
            right += hits;
            occurring += u64::from(examples + predicted > 0);
            f1 += scores.f1;
            labels.push(scores);
        }
        let examples = self.counts.iter().sum();
        let macro_f1 = if occurring == 0 { 0.0 } else { f1 / occurring as f64 };
        Scores { examples, accuracy: share(right, examples), macro_f1, labels }
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
