use crate::{classifier::Classifier, error::ClassifyError, examples::Examples, objective::Objective, solver::minimize};

/// How a classifier is trained: logistic regression with an L2 penalty, minimized by L-BFGS.
///
/// Two labels use one row of weights and the logistic function; more use one row per label and the softmax. The minimum
/// is that of scikit-learn's `LogisticRegression`. It is unique, so training uses no random numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticConfig {
    /// Inverse regularization strength, scikit-learn's C: the loss is Σ −log p(label) + ‖W‖² / (2 · strength). The
    /// default is 10, for vectors of length 1.
    pub strength: f64,
    /// Training converges when the norm of the gradient of the mean loss is at most this.
    pub tolerance: f64,
    /// Maximum number of iterations; if it is reached first, [`Trained::converged`] is false.
    pub max_iterations: u64,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { strength: 10.0, tolerance: 1e-6, max_iterations: 1000 }
    }
}

/// A trained classifier and the outcome of its training.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The classifier.
    pub classifier: Classifier,
    /// Number of iterations.
    pub iterations: u64,
    /// Whether the norm of the gradient reached the tolerance.
    pub converged: bool,
}

impl LogisticConfig {
    /// Sets [`strength`](Self::strength).
    #[must_use]
    pub fn with_strength(self, strength: f64) -> Self {
        Self { strength, ..self }
    }

    /// Checks the settings, as [`train`](Self::train) does.
    ///
    /// # Errors
    /// [`ClassifyError::Setting`].
    pub fn validate(&self) -> Result<(), ClassifyError> {
        let invalid = |name, expected, found| Err(ClassifyError::Setting { name, expected, found });
        if !(self.strength > 0.0 && self.strength.is_finite()) {
            return invalid("C", "a number above 0", self.strength.to_string());
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return invalid("the tolerance", "a number of at least 0", self.tolerance.to_string());
        }
        if self.max_iterations == 0 {
            return invalid("the maximum number of iterations", "at least 1", "0".into());
        }
        Ok(())
    }

    /// Trains on all examples.
    ///
    /// # Errors
    /// [`ClassifyError::Setting`], [`ClassifyError::NoExamples`], [`ClassifyError::OneLabel`],
    /// [`ClassifyError::Diverged`] if the loss is not finite.
    pub fn train(&self, examples: &Examples) -> Result<Trained, ClassifyError> {
        self.train_on(examples, &examples.classes(), &(0..examples.len()).collect::<Vec<_>>())
    }

    /// Trains on a subset of the examples in which every label occurs.
    pub(crate) fn train_on(
        &self,
        examples: &Examples,
        classes: &[usize],
        rows: &[usize],
    ) -> Result<Trained, ClassifyError> {
        self.validate()?;
        let labels = examples.labels();
        match labels.as_slice() {
            [] => return Err(ClassifyError::NoExamples),
            [label] => return Err(ClassifyError::OneLabel { label: label.clone() }),
            _ => {}
        }
        let objective = Objective::new(examples, (classes, labels.len()), rows, self.strength);
        let minimum = minimize(&objective, self.tolerance, self.max_iterations)?;
        let classifier = Classifier::new(labels, examples.width(), &minimum.parameters);
        Ok(Trained { classifier, iterations: minimum.iterations, converged: minimum.converged })
    }
}
