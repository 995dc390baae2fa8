use std::path::PathBuf;

use clap::Parser;

/// Recall, size and speed of int8 and binary vectors.
///
/// Prints for each kind of search its recall (the share of the true nearest neighbors that it finds), the bytes per
/// vector, and the queries per second, one at a time, each on all threads. True neighbors are those by the cosine
/// similarity of the original vectors. Rescored searches fetch 1, 2, 4 and 8 times k candidates.
#[derive(Debug, Parser)]
#[command(name = "quantized-vectors", max_term_width = 100)]
pub struct Arguments {
    /// Vectors: an f32 array [vectors, dim], as 'elman embed … -o vectors.npy' writes it
    #[arg(value_name = "FILE.npy")]
    pub(super) vectors: PathBuf,

    /// Number of queries: the last vectors of the file, searched for among the others
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) queries: usize,

    /// Neighbors per query
    #[arg(short, value_name = "N", default_value_t = 10)]
    pub(super) k: usize,

    /// Print instead how well cosine similarities agree with human scores (Spearman's ρ). Each line is a pair of texts
    /// with a score after the last comma; the vectors are those of all first texts, then those of all second texts
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["queries", "k"])]
    pub(super) pairs: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_definition_is_valid() {
        Arguments::command().debug_assert();
    }
}
