use std::{io, path::PathBuf};

/// Why a classifier could not be made, used or kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// Nothing to learn from.
    #[error("there are no examples to learn from")]
    NoExamples,
    /// Nothing to tell apart.
    #[error("all examples have the label '{label}': a classifier needs at least two labels")]
    OneLabel {
        /// The label.
        label: String,
    },
    /// An example without a label.
    #[error("a label is empty")]
    EmptyLabel,
    /// A label that the classifier was not trained with.
    #[error("the label '{found}' is unknown: the classifier has {}", listed(expected))]
    UnknownLabel {
        /// The label.
        found: String,
        /// Those that it has.
        expected: Vec<String>,
    },
    /// A vector of another length.
    #[error("a vector of {found} numbers where {expected} are expected")]
    Width {
        /// The length that all vectors have.
        expected: usize,
        /// The length that was found.
        found: usize,
    },
    /// A vector with a number that is infinite or none.
    #[error("a vector has {found} at position {position}: every number must be finite")]
    NotFinite {
        /// Where, counted from 0.
        position: usize,
        /// The number.
        found: f32,
    },
    /// A setting out of range.
    #[error("{name} must be {expected}, not {found}")]
    Setting {
        /// The setting.
        name: &'static str,
        /// What is possible.
        expected: &'static str,
        /// What was found.
        found: String,
    },
    /// A label is too rare to be in every fold.
    #[error(
        "{folds} folds need at least {folds} examples of each label, and '{label}' has {found}: give more examples, or choose fewer folds"
    )]
    Folds {
        /// Folds that were asked for.
        folds: usize,
        /// The rarest label.
        label: String,
        /// Its examples.
        found: usize,
    },
    /// Numbers so large that the loss is none.
    #[error("the regression has no finite loss: scale the vectors to length 1, or lower the strength")]
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
    /// A file is no classifier, or damaged.
    #[error("'{}' is no classifier: {reason}", path.display())]
    NotAClassifier {
        /// The file.
        path: PathBuf,
        /// Why, on one line.
        reason: String,
    },
    /// A file of a later version.
    #[error("'{}' has format version {found}, and this build reads {supported}: use a newer elman", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest that is read.
        supported: u64,
    },
}

/// Labels that a message names before it only counts the others.
const NAMED: usize = 8;

fn listed(labels: &[String]) -> String {
    let mut text = labels.iter().take(NAMED).map(|label| format!("'{label}'")).collect::<Vec<_>>().join(", ");
    if labels.len() > NAMED {
        text += &format!(" and {} more", labels.len() - NAMED);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_labels_are_counted() {
        let labels: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        assert_eq!(listed(&labels[..2]), "'0', '1'");
        assert!(listed(&labels).ends_with("'7' and 2 more"));
    }
}
