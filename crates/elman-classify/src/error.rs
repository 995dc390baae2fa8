use std::{io, path::PathBuf};

/// An error of training, using, saving or loading a classifier.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// There are no training examples.
    #[error("there are no examples to learn from")]
    NoExamples,
    /// All examples have the same label.
    #[error("all examples have the label '{label}': a classifier needs at least two labels")]
    OneLabel {
        /// The label.
        label: String,
    },
    /// An example has an empty label.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label that the classifier was not trained with.
    #[error("unknown label '{found}': the classifier has {}", format_labels(expected))]
    UnknownLabel {
        /// The label.
        found: String,
        /// The labels of the classifier.
        expected: Vec<String>,
    },
    /// A vector has the wrong dimension.
    #[error("expected a vector of dimension {expected}, found {found}")]
    Width {
        /// The expected dimension.
        expected: usize,
        /// The dimension of the vector.
        found: usize,
    },
    /// A vector contains an infinite value or NaN.
    #[error("a vector has {found} at position {position}: all values must be finite")]
    NotFinite {
        /// The position, from 0.
        position: usize,
        /// The value.
        found: f32,
    },
    /// A setting is out of range.
    #[error("{name} must be {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// The valid range.
        expected: &'static str,
        /// The value.
        found: String,
    },
    /// A label has fewer examples than there are folds.
    #[error(
        "{folds} folds need at least {folds} examples of each label, but '{label}' has {found}: add examples or use fewer folds"
    )]
    Folds {
        /// The requested number of folds.
        folds: usize,
        /// The rarest label.
        label: String,
        /// The number of its examples.
        found: usize,
    },
    /// The values are so large that the loss is not finite.
    #[error("the loss is not finite: scale the vectors to length 1, or lower C")]
    Diverged,
    /// A file cannot be read.
    #[error("cannot read '{}': {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write '{}': {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A file is not a classifier, or is damaged.
    #[error("'{}' is not a classifier: {reason}", path.display())]
    NotAClassifier {
        /// The file.
        path: PathBuf,
        /// The reason, on one line.
        reason: String,
    },
    /// A file has a newer format version.
    #[error("'{}' has format version {found}, and this build reads {supported}: use a newer elman", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest supported version.
        supported: u64,
    },
}

/// Labels that a message lists; the others are only counted.
const MAX_LISTED_LABELS: usize = 8;

fn format_labels(labels: &[String]) -> String {
    let mut text =
        labels.iter().take(MAX_LISTED_LABELS).map(|label| format!("'{label}'")).collect::<Vec<_>>().join(", ");
    if labels.len() > MAX_LISTED_LABELS {
        text += &format!(" and {} more", labels.len() - MAX_LISTED_LABELS);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lists_of_labels_are_truncated() {
        let labels: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(format_labels(&labels[..2]), "'0', '1'");
        assert!(format_labels(&labels).ends_with("'7' and 2 more"));
    }
}
