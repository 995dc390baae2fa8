use std::path::PathBuf;

use clap::Parser;

/// What a search among many vectors finds, and how fast, in a store in a folder and in faiss, hnswlib and usearch.
///
/// For each size, every contestant makes its index of the same vectors and writes it to a file. A process of its own opens
/// the file and looks for the ten nearest to each query, with more and more candidates. What counts is the speed at which
/// 95 of 100 of the true neighbours are found. elman's answers come with id and text out of its database, and with exact
/// scores; the others' are numbers of rows.
#[derive(Debug, Parser)]
#[command(name = "vector-search", max_term_width = 100)]
pub struct Arguments {
    /// The vectors: a float32 array [vectors, width], as 'elman embed … -o vectors.npy' writes it
    #[arg(value_name = "FILE.npy", required_unless_present = "searcher")]
    pub(super) vectors: Option<PathBuf>,

    /// How many vectors to search among; several are separated by commas
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10000,100000,1000000")]
    pub(super) sizes: Vec<usize>,

    /// How many vectors, the last of the file, are searched for
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(super) queries: usize,

    /// How many numbers of each vector are used, the first of them, scaled to length 1
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(super) width: usize,

    /// A Python with numpy, and with faiss, hnswlib or usearch to time those
    #[arg(long, value_name = "PATH")]
    pub(super) peer_python: Option<PathBuf>,

    /// Print each figure as a line of JSON too
    #[arg(long)]
    pub(super) json: bool,

    /// For the program itself: search the store in this folder
    #[arg(long, value_name = "DIR", hide = true)]
    pub(super) searcher: Option<PathBuf>,
}
