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

/// The builder methods of what a recurrence does besides.
macro_rules! variant_options {
    () => {
        /// Sets layer normalisation: `LN(W_ih x) ⊙ g_ih + b_ih + LN(W_hh h) ⊙ g_hh + b_hh` (Ba et al. 2016, eq. 20), each over all
        /// gates of a layer; with the GRU's reset before the product its last gate is normalised by itself.
        #[must_use]
        pub fn with_layer_norm(self, layer_norm: bool) -> Self {
            Self { layer_norm, ..self }
        }

        /// Sets recurrent dropout: in training the hidden state is multiplied with a mask before the recurrent product, the same
        /// at every time step of a sequence (Gal & Ghahramani 2016).
        #[must_use]
        pub fn with_recurrent_dropout(self, probability: f64) -> Self {
            Self { recurrent_dropout: probability, ..self }
        }

        /// Sets zoneout: in training an element of the hidden state, and of the cell state of cells that have one, stays as it
        /// was with the given probability; in inference both are mixed in that proportion (Krueger et al. 2017).
        #[must_use]
        pub fn with_zoneout(self, hidden: f64, cell: f64) -> Self {
            Self { zoneout: [hidden, cell], ..self }
        }

        /// Sets whether training keeps no more of a layer than its input and output and computes the rest again in the backward pass,
        /// for a piece of the time steps at a time (Chen et al. 2016): one more forward pass, less memory, and the same gradients
        /// but for the order in which those by weights are summed over pieces. It has an effect where there are kernels, which is
        /// on processors.
        #[must_use]
        pub fn with_recompute(self, recompute: bool) -> Self {
            Self { recompute, ..self }
        }
    };
}

pub(crate) use {stack_options, variant_options};
