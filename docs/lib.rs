//! The book's chapters, so that `cargo test` compiles and runs their code blocks.

#![cfg_attr(not(doctest), allow(missing_docs))]

macro_rules! chapters {
    ($($name:ident = $path:literal;)*) => { $(#[doc = include_str!($path)] #[cfg(doctest)] mod $name {})* };
}

chapters! {
    neuron = "src/primer/neuron.md";
    activations = "src/primer/activations.md";
    layers = "src/primer/layers.md";
    backpropagation = "src/primer/backpropagation.md";
    recurrence = "src/primer/recurrence.md";
    language_models = "src/primer/language_models.md";
    embeddings = "src/primer/embeddings.md";
    search = "src/primer/search.md";
    guide_train = "src/guide/train.md";
    guide_checkpoints = "src/guide/checkpoints.md";
    guide_cell = "src/guide/cell.md";
    guide_device = "src/guide/device.md";
    guide_search = "src/guide/search.md";
    guide_encoder = "src/guide/encoder.md";
    guide_quantized_embeddings = "src/guide/quantized_embeddings.md";
    guide_classify = "src/guide/classify.md";
    guide_import = "src/guide/import.md";
    guide_own_cell = "src/guide/own_cell.md";
    extend = "src/architecture/extend.md";
}
