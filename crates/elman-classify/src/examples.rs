use indexmap::IndexSet;

use crate::error::ClassifyError;

/// Vectors of one dimension, each with a label.
#[derive(Clone, Debug)]
pub struct Examples {
    width: usize,
    /// `[examples, width]`.
    values: Vec<f32>,
    labels: IndexSet<String>,
    /// The label of each example, as an index into `labels`.
    label_ids: Vec<usize>,
}

impl Examples {
    /// An empty set of examples whose vectors have dimension `width`.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), labels: IndexSet::new(), label_ids: Vec::new() }
    }

    /// Adds an example.
    ///
    /// # Errors
    /// [`ClassifyError::Width`], [`ClassifyError::NotFinite`], [`ClassifyError::EmptyLabel`]; the examples are
    /// unchanged then.
    pub fn push(&mut self, vector: &[f32], label: &str) -> Result<(), ClassifyError> {
        check_vector(vector, self.width)?;
        if label.is_empty() {
            return Err(ClassifyError::EmptyLabel);
        }
        let label = match self.labels.get_index_of(label) {
            Some(known) => known,
            None => self.labels.insert_full(label.into()).0,
        };
        self.values.extend_from_slice(vector);
        self.label_ids.push(label);
        Ok(())
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.label_ids.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.label_ids.is_empty()
    }

    /// The dimension of the vectors.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The labels that occur, in alphabetical order.
    pub fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = self.labels.iter().cloned().collect();
        labels.sort_unstable();
        labels
    }

    /// The vector of an example.
    ///
    /// # Panics
    /// If `index` is out of range.
    pub fn vector(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The class of each example, an index into [`labels`](Self::labels).
    pub fn classes(&self) -> Vec<usize> {
        let sorted = self.labels();
        let class = |label: &String| sorted.binary_search(label).expect("sorted has every label");
        let classes: Vec<usize> = self.labels.iter().map(class).collect();
        self.label_ids.iter().map(|label| classes[*label]).collect()
    }
}

/// Rejects a vector of another dimension, or with infinite values or NaN.
pub(crate) fn check_vector(vector: &[f32], expected: usize) -> Result<(), ClassifyError> {
    if vector.len() != expected {
        return Err(ClassifyError::Width { expected, found: vector.len() });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(ClassifyError::NotFinite { position, found: vector[position] }),
        None => Ok(()),
    }
}
