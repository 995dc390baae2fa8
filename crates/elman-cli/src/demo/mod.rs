//! The experiment of Elman, "Finding Structure in Time" (Cognitive Science 14, 1990): sentences of a small grammar, a
//! network trained to predict the next word, and an analysis of what it has learned.

mod averages;
mod cluster;
mod corpus;
mod curve;
mod dendrogram;
mod experiment;
mod grammar;
mod ideal;
mod ngram;
pub mod page;
mod pca;
mod purity;
mod search;
mod segment;
mod story;
mod training;
mod words;
mod writing;

pub use experiment::Experiment;
pub use search::sentences_file;
pub use story::Story;
