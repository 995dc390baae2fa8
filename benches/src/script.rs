use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::error::BenchError;

/// The peers' scripts, embedded so that the binary does not need its source tree.
const FILES: [(&str, &str); 5] = [
    ("peer.py", include_str!("../peers/peer.py")),
    (TORCH, include_str!("../peers/torch_rnn.py")),
    (ONNX_RUNTIME, include_str!("../peers/ort_rnn.py")),
    (SENTENCES, include_str!("../peers/sentences.py")),
    (VECTOR_SEARCH, include_str!("../peers/vector_search.py")),
];

pub(crate) const TORCH: &str = "torch_rnn.py";
pub(crate) const ONNX_RUNTIME: &str = "ort_rnn.py";
pub(crate) const SENTENCES: &str = "sentences.py";
pub(crate) const VECTOR_SEARCH: &str = "vector_search.py";

/// A Python interpreter, and the peers' scripts in a temporary directory, which is deleted with the last clone.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    program: PathBuf,
    dir: Arc<TempDir>,
}

impl Python {
    /// Writes the scripts to a temporary directory.
    pub fn new(program: &Path) -> Result<Self, BenchError> {
        let written = tempfile::Builder::new().prefix("elman-bench-").tempdir().and_then(|dir| {
            FILES.iter().try_for_each(|(name, text)| fs::write(dir.path().join(name), text))?;
            Ok(dir)
        });
        let dir = written.map_err(|source: io::Error| BenchError::Scripts { source })?;
        Ok(Self { program: program.into(), dir: Arc::new(dir) })
    }

    /// Runs a script to completion and parses its standard output as JSON.
    pub fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[String]) -> Result<T, BenchError> {
        let python = || self.program.clone();
        let output = Command::new(&self.program)
            .arg(self.dir.path().join(script))
            .arg(format!("--threads={}", rayon::current_num_threads()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BenchError::Start { python: python(), source })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let reason = message.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
            let reason = reason.unwrap_or_else(|| output.status.to_string());
            return Err(BenchError::Peer { python: python(), reason });
        }
        serde_json::from_slice(&output.stdout).map_err(|source| BenchError::Output { python: python(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_exist_until_the_last_clone_is_dropped() {
        let python = Python::new(Path::new("python")).unwrap();
        let dir = python.dir.path().to_owned();
        let other = python.clone();
        drop(python);
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), text);
        }
        drop(other);
        assert!(!dir.exists());
    }
}
