//! `cargo bench -p elman-bench`: recurrent layers, forward and training, against burn-nn, PyTorch and ONNX Runtime.

use std::process::ExitCode;

use clap::Parser;
use elman_bench::{Arguments, run};

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}
