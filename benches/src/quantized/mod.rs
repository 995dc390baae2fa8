//! What vectors in fewer bits lose, in neighbours that are found or in agreement with people's judgement, and what they
//! gain in memory and speed.
//!
//! `cargo run --release --bin quantized-vectors -- --help` explains the program.

mod agreement;
mod arguments;
mod kept;
mod pairs;
mod recall;

pub use arguments::Arguments;

use crate::{environment::Environment, error::BenchError, vectors::Vectors};

/// Prints a table: of the neighbours that each kind of search finds, or, with pairs, of the agreement with their scores.
///
/// # Errors
/// [`BenchError`]: a file that cannot be read or holds something else, too few vectors.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let vectors = Vectors::read(&arguments.vectors)?;
    let Environment { machine, load, .. } = Environment::read(Vec::new());
    println!("{}, {} threads, load {load:.1}, {}\n", machine.cpu, machine.threads, machine.date);
    match &arguments.pairs {
        Some(path) => agreement::print(&vectors, &pairs::scores(path)?),
        None => recall::print(&vectors, arguments.queries, arguments.k),
    }
}
