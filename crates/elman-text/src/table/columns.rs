/// The names of columns that a table is read for, in the order in which a [`Row`](crate::Row) has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    names: Vec<String>,
    required: usize,
    /// How many are found by name alone, if any.
    by_name: Option<usize>,
}

impl Columns {
    /// Columns that every row must have.
    pub fn new<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self { required: names.len(), names, by_name: None }
    }

    /// Adds columns, after the others, that a table or a row may lack.
    #[must_use]
    pub fn with_optional<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.names.extend(names.into_iter().map(Into::into));
        self
    }

    /// Finds columns by their names alone, never by position, as somebody expects who has named them: a table without a
    /// header is an error, and so is one without one of the columns so far, be it optional. Rows may still lack those, and a
    /// table those that are added afterwards.
    #[must_use]
    pub fn by_name(self) -> Self {
        Self { by_name: Some(self.names.len()), ..self }
    }

    /// Whether they are found by their names alone.
    pub(crate) fn is_by_name(&self) -> bool {
        self.by_name.is_some()
    }

    /// How many of them, from the first, a table must have.
    pub(crate) fn needed(&self) -> usize {
        self.by_name.unwrap_or(self.required)
    }

    /// All names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// How many of them, from the first, are required.
    pub fn required(&self) -> usize {
        self.required
    }

    /// What a row without names may look like, for a message.
    pub(crate) fn expected(&self) -> String {
        let (required, optional) = self.names.split_at(self.required);
        match optional {
            [] => format!("{} ({})", required.len(), required.join(", ")),
            _ => {
                let (least, most) = (required.len(), self.names.len());
                format!("{least} to {most} ({}; {} may be left out)", self.names.join(", "), optional.join(", "))
            }
        }
    }
}
