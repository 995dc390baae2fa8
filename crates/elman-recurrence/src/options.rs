/// The builder methods that every configuration of stacked layers has.
macro_rules! stack_options {
    () => {
        /// Sets the number of layers.
        #[must_use]
        pub fn with_layers(self, layers: usize) -> Self {
            Self { layers, ..self }
        }

        /// Sets whether each layer also reads the sequence backwards.
        #[must_use]
        pub fn with_bidirectional(self, bidirectional: bool) -> Self {
            Self { bidirectional, ..self }
        }

        /// Sets the dropout between layers.
        #[must_use]
        pub fn with_dropout(self, dropout: f64) -> Self {
            Self { dropout, ..self }
        }

        /// Sets whether there are biases.
        #[must_use]
        pub fn with_bias(self, bias: bool) -> Self {
            Self { bias, ..self }
        }
    };
}

pub(crate) use stack_options;
