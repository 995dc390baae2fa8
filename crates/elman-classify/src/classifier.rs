use serde_json::Value;

use crate::{
    error::ClassifyError,
    examples::check,
    objective::{outputs, sigmoid, softmax},
};

/// A trained classifier: labels, and the weights that choose among them.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    pub(crate) labels: Vec<String>,
    pub(crate) width: usize,
    /// `[outputs, width]`; one output where there are two labels, whose logit is the second's.
    pub(crate) weights: Vec<f32>,
    /// `[outputs]`.
    pub(crate) biases: Vec<f32>,
    pub(crate) model: Value,
}

/// What a classifier makes of a vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable class: where its label stands among [`Classifier::labels`].
    pub class: usize,
    /// The probability of each class; they add up to 1.
    pub probabilities: Vec<f64>,
}

impl Prediction {
    /// The probability of the most probable class.
    pub fn probability(&self) -> f64 {
        self.probabilities[self.class]
    }
}

impl Classifier {
    /// Parameters are the weights `[outputs, width]` and the biases `[outputs]`.
    pub(crate) fn new(labels: Vec<String>, width: usize, parameters: &[f64]) -> Self {
        let parameters: Vec<f32> = parameters.iter().map(|p| *p as f32).collect();
        let (weights, biases) = parameters.split_at(outputs(labels.len()) * width);
        Self { labels, width, weights: weights.into(), biases: biases.into(), model: Value::Null }
    }

    /// Remembers what made the vectors, in any words that tell two models apart.
    #[must_use]
    pub fn with_model(self, model: impl Into<Value>) -> Self {
        Self { model: model.into(), ..self }
    }

    /// What made the vectors that it was trained on; null if that was not said.
    pub fn model(&self) -> &Value {
        &self.model
    }

    /// The labels, in alphabetical order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The class of a label.
    ///
    /// # Errors
    /// [`ClassifyError::UnknownLabel`].
    pub fn class(&self, label: &str) -> Result<usize, ClassifyError> {
        let unknown = || ClassifyError::UnknownLabel { found: label.into(), expected: self.labels.clone() };
        self.labels.iter().position(|known| known == label).ok_or_else(unknown)
    }

    /// The length of the vectors that it reads.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The weights, row by row `[outputs, width]`: one row for each label, or for the second of two.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The biases, one for each row of weights.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// The class of a vector; the first of those that are equally probable.
    ///
    /// # Errors
    /// [`ClassifyError::Width`], [`ClassifyError::NotFinite`].
    pub fn predict(&self, vector: &[f32]) -> Result<Prediction, ClassifyError> {
        check(vector, self.width)?;
        let dot = |row: &[f32]| row.iter().zip(vector).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        let logit = |(output, bias): (usize, &f32)| {
            dot(&self.weights[output * self.width..(output + 1) * self.width]) + f64::from(*bias)
        };
        let mut probabilities: Vec<f64> = self.biases.iter().enumerate().map(logit).collect();
        match probabilities.as_slice() {
            [z] => probabilities = vec![sigmoid(-z), sigmoid(*z)],
            _ => drop(softmax(&mut probabilities)),
        }
        let larger = |best: usize, class: usize| if probabilities[class] > probabilities[best] { class } else { best };
        let class = (0..probabilities.len()).fold(0, larger);
        Ok(Prediction { class, probabilities })
    }
}
