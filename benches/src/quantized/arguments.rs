use std::path::PathBuf;

use clap::Parser;

/// What vectors lose when they are kept in 8 bits or in 1, and what they gain.
///
/// Prints the share of the true nearest neighbours that each kind of search finds (recall), the bytes that it keeps of a
/// vector, and the queries that it answers in a second, one after another, each on all threads. The true neighbours are
/// those by the cosine of the vectors as they are. Rescored searches take k times 1, 2, 4 and 8 candidates.
#[derive(Debug, Parser)]
#[command(name = "quantized-vectors", max_term_width = 100)]
pub struct Arguments {
    /// The vectors: a float32 array [vectors, width], as 'elman embed … -o vectors.npy' writes it
    #[arg(value_name = "FILE.npy")]
    pub(super) vectors: PathBuf,

    /// How many vectors, the last of the file, are searched for among the others
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) queries: usize,

    /// How many neighbours each query looks for
    #[arg(short, value_name = "N", default_value_t = 10)]
    pub(super) k: usize,

    /// Print instead how well cosines agree with people's scores (Spearman's ρ): a file whose lines are pairs of texts
    /// with a score behind the last comma. The vectors are then those of all first texts, and after them those of all
    /// second texts
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["queries", "k"])]
    pub(super) pairs: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
