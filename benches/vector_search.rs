//! `cargo run --release --features graph --bin vector-search`: a local store against faiss, hnswlib and usearch.

use std::process::ExitCode;

use clap::Parser;
use elman_bench::search::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
