//! `cargo bench -p elman-bench`: every recurrent layer, forward and training, beside burn-nn's,
//! PyTorch's and ONNX Runtime's.

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
