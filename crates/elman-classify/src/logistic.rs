use crate::{classifier::Classifier, error::ClassifyError, examples::Examples, objective::Objective, solver::minimize};

/// How a classifier is trained: logistic regression with an L2 penalty, minimised by L-BFGS.
///
/// Two labels get one row of weights and the logistic function, more get one row each and the softmax. The same
/// minimum as scikit-learn's `LogisticRegression`. It is unique, so nothing is drawn.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticConfig {
    /// How much the examples count against the penalty, scikit-learn's C: the loss is Σ −log p(label) +
    /// ‖W‖² / (2 · strength). 10 unless chosen otherwise, for vectors of length 1.
    pub strength: f64,
    /// Training ends where the norm of the mean loss's gradient is below this.
    pub tolerance: f64,
    /// Training ends, with a warning in [`Trained::converged`], after so many steps.
    pub max_iterations: u64,
}

impl Default for LogisticConfig {
    fn default() -> Self {
        Self { strength: 10.0, tolerance: 1e-6, max_iterations: 1000 }
    }
}

/// A classifier and how its training ended.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The classifier.
    pub classifier: Classifier,
    /// Steps taken.
    pub iterations: u64,
    /// Whether the gradient has become as small as it should.
    pub converged: bool,
}

impl LogisticConfig {
    /// Sets the strength.
    #[must_use]
    pub fn with_strength(self, strength: f64) -> Self {
        Self { strength, ..self }
    }

    /// Checks the settings, as [`train`](Self::train) does.
    ///
    /// # Errors
    /// [`ClassifyError::Setting`].
    pub fn validate(&self) -> Result<(), ClassifyError> {
        let error = |name, expected, found| Err(ClassifyError::Setting { name, expected, found });
        if !(self.strength > 0.0 && self.strength.is_finite()) {
            return error("the strength", "a number above 0", self.strength.to_string());
        }
        if !(self.tolerance >= 0.0 && self.tolerance.is_finite()) {
            return error("the tolerance", "a number that is not negative", self.tolerance.to_string());
        }
        if self.max_iterations == 0 {
            return error("the largest number of iterations", "at least 1", "0".into());
        }
        Ok(())
    }

    /// Trains on all examples.
    ///
    /// # Errors
    /// [`ClassifyError::Setting`], [`ClassifyError::NoExamples`], [`ClassifyError::OneLabel`],
    /// [`ClassifyError::Diverged`] for numbers beyond reason.
    pub fn train(&self, examples: &Examples) -> Result<Trained, ClassifyError> {
        self.train_on(examples, &examples.classes(), &(0..examples.len()).collect::<Vec<_>>())
    }

    /// Trains on some rows of the examples, among which every label occurs.
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
