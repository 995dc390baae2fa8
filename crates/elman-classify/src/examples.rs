use indexmap::IndexSet;

use crate::error::ClassifyError;

/// Vectors of one length, each with a label.
#[derive(Clone, Debug)]
pub struct Examples {
    width: usize,
    /// `[examples, width]`.
    values: Vec<f32>,
    labels: IndexSet<String>,
    /// The label of each example, as an index into `labels`.
    of: Vec<usize>,
}

impl Examples {
    /// No examples yet, of vectors of `width` numbers.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new(), labels: IndexSet::new(), of: Vec::new() }
    }

    /// Adds an example.
    ///
    /// # Errors
    /// [`ClassifyError::Width`], [`ClassifyError::NotFinite`], [`ClassifyError::EmptyLabel`]; nothing is added then.
    pub fn push(&mut self, vector: &[f32], label: &str) -> Result<(), ClassifyError> {
        check(vector, self.width)?;
        if label.is_empty() {
            return Err(ClassifyError::EmptyLabel);
        }
        let label = match self.labels.get_index_of(label) {
            Some(known) => known,
            None => self.labels.insert_full(label.into()).0,
        };
        self.values.extend_from_slice(vector);
        self.of.push(label);
        Ok(())
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.of.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.of.is_empty()
    }

    /// The length of every vector.
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
    /// If there are not so many.
    pub fn vector(&self, index: usize) -> &[f32] {
        &self.values[index * self.width..(index + 1) * self.width]
    }

    /// The class of each example: where its label stands among [`labels`](Self::labels).
    pub fn classes(&self) -> Vec<usize> {
        let sorted = self.labels();
        let class = |label: &String| sorted.binary_search(label).expect("sorted has every label");
        let classes: Vec<usize> = self.labels.iter().map(class).collect();
        self.of.iter().map(|label| classes[*label]).collect()
    }
}

/// Refuses a vector of another length or with numbers that are none.
pub(crate) fn check(vector: &[f32], expected: usize) -> Result<(), ClassifyError> {
    if vector.len() != expected {
        return Err(ClassifyError::Width { expected, found: vector.len() });
    }
    match vector.iter().position(|value| !value.is_finite()) {
        Some(position) => Err(ClassifyError::NotFinite { position, found: vector[position] }),
        None => Ok(()),
    }
}
