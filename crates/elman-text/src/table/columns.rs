/// The columns to read from a table, in the order of the values of a [`Row`](crate::Row).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    required: usize,
    /// Number of columns, from the first, that are found only by name.
    by_name: Option<usize>,
}

impl Columns {
    /// Columns that every row must have.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self { required: names.len(), names, by_name: None }
    }

    /// Appends optional columns.
    #[must_use]
    pub fn with_optional<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Finds columns only by name, never by position. The table must then have a header with all columns added so far,
    /// including optional ones. Rows may still lack optional columns, and the table columns that are added afterwards.
    #[must_use]
    pub fn by_name(self) -> Self {
        Self { by_name: Some(self.names.len()), ..self }
    }

    /// Whether columns are found only by name.
    pub(crate) fn is_by_name(&self) -> bool {
        self.by_name.is_some()
    }

    /// Number of columns, from the first, that a table must have.
    pub(crate) fn needed(&self) -> usize {
        self.by_name.unwrap_or(self.required)
    }

    /// All names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Number of columns, from the first, that are required.
    pub fn required(&self) -> usize {
        self.required
    }

    /// The expected number of fields of a row without a header, for a message.
    pub(crate) fn expected(&self) -> String {
        let (required, optional) = self.names.split_at(self.required);
        match optional {
            [] => format!("{} ({})", required.len(), required.join(", ")),
            _ => {
                let (min, max) = (required.len(), self.names.len());
                format!("{min} to {max} ({}; {} optional)", self.names.join(", "), optional.join(", "))
            }
        }
    }
}
