/// Builder methods shared by all configurations of stacked layers.
macro_rules! stack_options {
    () => {
        /// Sets the number of layers.
        #[must_use]
        pub fn with_layers(self, layers: usize) -> Self {
            Self { layers, ..self }
        }

        /// Sets whether each layer runs in both directions.
        #[must_use]
        pub fn with_bidirectional(self, bidirectional: bool) -> Self {
            Self { bidirectional, ..self }
        }

        /// Sets the probability of dropout between layers.
        #[must_use]
        pub fn with_dropout(self, dropout: f64) -> Self {
            Self { dropout, ..self }
        }

        /// Sets whether the layers have biases.
        #[must_use]
        pub fn with_bias(self, bias: bool) -> Self {
            Self { bias, ..self }
        }
    };
}

/// Builder methods for options of the recurrence.
macro_rules! recurrence_options {
    () => {
        /// Sets layer normalization: `LN(W_ih x) ⊙ g_ih + b_ih + LN(W_hh h) ⊙ g_hh + b_hh` (Ba et al. 2016, eq. 20),
        /// each over all gates of a layer. The recurrent product of candidate gates (a GRU with `Reset::Before`) is
        /// normalized separately.
        #[must_use]
        pub fn with_layer_norm(self, layer_norm: bool) -> Self {
            Self { layer_norm, ..self }
        }

        /// Sets recurrent dropout: in training, the hidden state is multiplied by a mask before the recurrent product.
        /// The mask is the same at every time step of a sequence (Gal & Ghahramani 2016).
        #[must_use]
        pub fn with_recurrent_dropout(self, probability: f64) -> Self {
            Self { recurrent_dropout: probability, ..self }
        }

        /// Sets zoneout (Krueger et al. 2017): in training, an element of the hidden or cell state keeps its previous
        /// value with the given probability; in inference, the previous and the new value are averaged with that
        /// weight.
        #[must_use]
        pub fn with_zoneout(self, hidden: f64, cell: f64) -> Self {
            Self { zoneout: [hidden, cell], ..self }
        }

        /// Sets recomputation (gradient checkpointing, Chen et al. 2016): training saves only the input and output of a
        /// layer and recomputes the rest in the backward pass, one chunk of time steps at a time. This costs one more
        /// forward pass and saves memory; gradients differ only in the order in which weight gradients are summed over
        /// chunks. CPU kernels only; ignored elsewhere.
        #[must_use]
        pub fn with_recompute(self, recompute: bool) -> Self {
            Self { recompute, ..self }
        }
    };
}

pub(crate) use {recurrence_options, stack_options};
