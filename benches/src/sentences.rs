//! Throughput of an encoder against a sentence-transformers model in PyTorch and in ONNX Runtime.
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

/// Sentences embedded per second, against a sentence-transformers model in PyTorch and in ONNX Runtime.
///
/// Each contestant embeds all lines of the file on all threads; the result is the median of three repeats. Tokenization
/// is included, loading is not.
#[derive(Debug, Parser)]
#[command(name = "sentences", max_term_width = 100)]
pub struct Arguments {
    /// Sentences, one per line
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Model directory of the encoder [default: elman-small-en]
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,

    /// Python interpreter with sentence-transformers, and optionally onnx and onnxruntime
    #[arg(long, value_name = "PATH", requires = "peer_model")]
    peer_python: Option<PathBuf>,

    /// The sentence-transformers model to compare with: a directory or a name
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
/// [`BenchError`] if the file cannot be read, the model cannot be loaded, or a peer fails.
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
    println!("| | sentences/s | speedup of elman |\n|---|--:|--:|\n| elman | {rate:.0} | |");
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
    fn command_line_definition_is_valid() {
        Arguments::command().debug_assert();
    }
}
