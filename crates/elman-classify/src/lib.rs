//! Classifiers for embeddings: logistic regression for two or more labels, on fixed vectors. It uses no tensors.
//!
//! [`Examples`] are vectors with labels, [`LogisticConfig`] trains a [`Classifier`] on them, [`cross_validate`]
//! estimates its accuracy on unseen vectors, and [`Confusion`] is a confusion matrix.
//!
//! ```
//! use elman_classify::{Examples, LogisticConfig};
//!
//! let mut examples = Examples::new(2);
//! for (vector, label) in [([1.0, 0.1], "animal"), ([0.9, 0.3], "animal"), ([0.1, 1.0], "money"), ([0.2, 0.9], "money")] {
//!     examples.push(&vector, label)?;
//! }
//! let classifier = LogisticConfig::default().train(&examples)?.classifier;
//! let prediction = classifier.predict(&[0.8, 0.2])?;
//! assert_eq!(classifier.labels()[prediction.class], "animal");
//! assert!(prediction.probability() > 0.8);
//! # Ok::<(), elman_classify::ClassifyError>(())
//! ```

mod classifier;
mod confusion;
mod error;
mod examples;
mod file;
mod folds;
mod logistic;
mod objective;
mod solver;

pub use classifier::{Classifier, Prediction};
pub use confusion::{Confusion, LabelScores, Scores};
pub use error::ClassifyError;
pub use examples::Examples;
pub use folds::{CrossValidation, check_folds, cross_validate};
pub use logistic::{LogisticConfig, Trained};
