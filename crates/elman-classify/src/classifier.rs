use serde_json::Value;

use crate::{
    error::ClassifyError,
    examples::check_vector,
    objective::{num_outputs, sigmoid, softmax},
};

/// A trained classifier: labels and the weights of a logistic regression.
#[derive(Clone, Debug, PartialEq)]
pub struct Classifier {
    pub(crate) labels: Vec<String>,
    pub(crate) width: usize,
    /// `[outputs, width]`. Two labels have one output, the logit of the second label.
    pub(crate) weights: Vec<f32>,
    /// `[outputs]`.
    pub(crate) biases: Vec<f32>,
    pub(crate) model: Value,
}

/// The prediction for one vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// The most probable class, an index into [`Classifier::labels`].
    pub class: usize,
    /// The probability of each class; they sum to 1.
    pub probabilities: Vec<f64>,
}

impl Prediction {
    /// The probability of the most probable class.
    pub fn probability(&self) -> f64 {
        self.probabilities[self.class]
    }
}

impl Classifier {
    /// `parameters` are the weights `[outputs, width]` followed by the biases `[outputs]`.
    pub(crate) fn new(labels: Vec<String>, width: usize, parameters: &[f64]) -> Self {
        let parameters: Vec<f32> = parameters.iter().map(|p| *p as f32).collect();
        let (weights, biases) = parameters.split_at(num_outputs(labels.len()) * width);
        Self { labels, width, weights: weights.into(), biases: biases.into(), model: Value::Null }
    }

    /// Sets the identity of the model that computes the vectors: any JSON that differs between models.
    #[must_use]
    pub fn with_model(self, model: impl Into<Value>) -> Self {
        Self { model: model.into(), ..self }
    }

    /// The identity of the model that computed the training vectors; null if it was not set.
    pub fn model(&self) -> &Value {
        &self.model
    }

    /// The labels, in alphabetical order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The class of a label, its index in [`labels`](Self::labels).
    ///
    /// # Errors
    /// [`ClassifyError::UnknownLabel`].
    pub fn class(&self, label: &str) -> Result<usize, ClassifyError> {
        let unknown = || ClassifyError::UnknownLabel { found: label.into(), expected: self.labels.clone() };
        self.labels.iter().position(|known| known == label).ok_or_else(unknown)
    }

    /// The dimension of the vectors.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The weights `[outputs, width]` in row-major order: one row per label; with two labels, one row for the second.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// The biases, one per row of weights.
    pub fn biases(&self) -> &[f32] {
        &self.biases
    }

    /// Predicts the class of a vector; of equally probable classes, the first.
    ///
    /// # Errors
    /// [`ClassifyError::Width`], [`ClassifyError::NotFinite`].
    pub fn predict(&self, vector: &[f32]) -> Result<Prediction, ClassifyError> {
        check_vector(vector, self.width)?;
        let dot = |row: &[f32]| row.iter().zip(vector).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum::<f64>();
        let logit = |(output, bias): (usize, &f32)| {
            dot(&self.weights[output * self.width..(output + 1) * self.width]) + f64::from(*bias)
        };
        let mut probabilities: Vec<f64> = self.biases.iter().enumerate().map(logit).collect();
        match probabilities.as_slice() {
            [z] => probabilities = vec![sigmoid(-z), sigmoid(*z)],
            _ => drop(softmax(&mut probabilities)),
        }
        let argmax = |best: usize, class: usize| if probabilities[class] > probabilities[best] { class } else { best };
        let class = (0..probabilities.len()).fold(0, argmax);
        Ok(Prediction { class, probabilities })
    }
}
