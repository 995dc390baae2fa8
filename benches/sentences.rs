//! `cargo run --release --bin sentences`: throughput of an encoder against sentence-transformers.

use std::process::ExitCode;

use clap::Parser;
use elman_bench::sentences::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
