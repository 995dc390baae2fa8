//! `cargo run --release --bin quantized-vectors`: recall, size and speed of quantized vectors.

use std::process::ExitCode;

use clap::Parser;
use elman_bench::quantized::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
