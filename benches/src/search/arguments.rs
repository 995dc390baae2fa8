use std::path::PathBuf;

use clap::Parser;

/// Approximate vector search: a local store against faiss, hnswlib and usearch.
///
/// For each size, every contestant indexes the same vectors and writes the index to disk. A separate process opens it
/// and searches the ten nearest neighbors of each query, with increasing numbers of candidates. Contestants are
/// compared by their speed at a recall of 95 %. elman returns ids and texts from its database, with exact scores; the
/// others return row numbers.
#[derive(Debug, Parser)]
#[command(name = "vector-search", max_term_width = 100)]
pub struct Arguments {
    /// Vectors: an f32 array [vectors, dim], as 'elman embed … -o vectors.npy' writes it
    #[arg(value_name = "FILE.npy", required_unless_present = "searcher")]
    pub(super) vectors: Option<PathBuf>,

    /// Numbers of vectors to search, separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10000,100000,1000000")]
    pub(super) sizes: Vec<usize>,

    /// Number of queries: the last vectors of the file
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) queries: usize,

    /// Dimension to which vectors are truncated and then normalized
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(super) width: usize,

    /// Python interpreter with numpy, and with faiss, hnswlib or usearch
    #[arg(long, value_name = "PATH")]
    pub(super) peer_python: Option<PathBuf>,

    /// Also print each result as a line of JSON
    #[arg(long)]
    pub(super) json: bool,

    /// Internal: search the store in this directory
    #[arg(long, value_name = "DIR", hide = true)]
    pub(super) searcher: Option<PathBuf>,
}
