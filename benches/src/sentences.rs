//! Sentences per second of an encoder beside a sentence-transformers model in torch and in ONNX Runtime.
//!
//! `cargo run --release --bin sentences -- --help` explains the program.

use std::{fs, path::PathBuf, time::Instant};

use clap::Parser;
use elman::embedding::encoder::{Encoder, Files};
use serde::Deserialize;

use crate::{
    environment::Environment,
    error::BenchError,
    script::{Python, SENTENCES},
};

/// How many sentences a second become vectors, beside a sentence-transformers model in torch and in ONNX Runtime, in one run.
///
/// Each reads all lines of the file, on all threads, and the median of three times counts; loading is not counted, tokenising is.
#[derive(Debug, Parser)]
#[command(name = "sentences", max_term_width = 100)]
pub struct Arguments {
    /// Sentences, one per line
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The encoder: a directory [default: elman-small-en]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// A Python with sentence-transformers, and with onnx and onnxruntime to time those too
    #[arg(long, value_name = "PATH", requires = "peer_model")]
    peer_python: Option<PathBuf>,

    /// The model that it runs: a directory or a name, as sentence-transformers takes it
    #[arg(long, value_name = "MODEL", requires = "peer_python")]
    peer_model: Option<String>,
}

const REPEATS: usize = 3;

#[derive(Deserialize)]
struct Peer {
    name: String,
    per_second: f64,
}

/// Prints a table.
///
/// # Errors
/// [`BenchError`]: a file that cannot be read, a model that cannot be loaded, a peer that fails.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let path = &arguments.file;
    let text = fs::read_to_string(path).map_err(|source| BenchError::Sentences { path: path.clone(), source })?;
    let texts: Vec<&str> = text.lines().collect();
    let files = match &arguments.model {
        Some(path) => Files::read(path)?,
        None => elman_small_en::files(),
    };
    let encoder = Encoder::from_files(&files, Default::default(), &elman::device("auto")?)?;
    let Environment { machine, load, .. } = Environment::read(Vec::new());
    println!("{}, {} threads, load {load:.1}, {}", machine.cpu, machine.threads, machine.date);
    println!("{} sentences of {} bytes on average\n", texts.len(), text.len() / texts.len().max(1));
    encoder.encode(&texts[..texts.len().min(1000)])?;
    let mut seconds = Vec::new();
    for _ in 0..REPEATS {
        let begin = Instant::now();
        encoder.encode(&texts)?;
        seconds.push(begin.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    let rate = texts.len() as f64 / seconds[REPEATS / 2];
    println!("| | sentences/s | elman is faster by |\n|---|--:|--:|\n| elman | {rate:.0} | |");
    if let (Some(python), Some(model)) = (&arguments.peer_python, &arguments.peer_model) {
        let arguments = [path.display().to_string(), model.clone()];
        for Peer { name, per_second } in Python::new(python)?.run::<Vec<Peer>>(SENTENCES, &arguments)? {
            println!("| {name} | {per_second:.0} | {:.1} |", rate / per_second);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
