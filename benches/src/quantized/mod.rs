//! Quality of quantized vectors, as recall or agreement with human judgment, and their memory and speed.
//!
//! `cargo run --release --bin quantized-vectors -- --help` explains the program.

mod agreement;
mod arguments;
mod pairs;
mod recall;
mod stored;

pub use arguments::Arguments;

use crate::{environment::Environment, error::BenchError, vectors::Vectors};

/// Prints a table of the recall of each kind of search, or, with pairs, of the agreement with their scores.
///
/// # Errors
/// [`BenchError`] if a file cannot be read or is invalid, or there are too few vectors.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let vectors = Vectors::read(&arguments.vectors)?;
    let Environment { machine, load, .. } = Environment::read(Vec::new());
    println!("{}, {} threads, load {load:.1}, {}\n", machine.cpu, machine.threads, machine.date);
    match &arguments.pairs {
        Some(path) => agreement::print(&vectors, &pairs::scores(path)?),
        None => recall::print(&vectors, arguments.queries, arguments.k),
    }
}
