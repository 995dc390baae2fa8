//! `cargo run --release --bin quantized-vectors`: what vectors in fewer bits lose, and what they gain.

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
