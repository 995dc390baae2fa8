//! The experiment of Elman, "Finding Structure in Time" (Cognitive Science 14, 1990), in parts: sentences of a small
//! grammar, a network that learns to predict their next word, and what it is found to have learned.

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
