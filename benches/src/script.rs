use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
};

use serde::de::DeserializeOwned;
use tempfile::TempDir;

use crate::error::BenchError;

/// The peers' programs, which the binary carries so that it runs where its sources are not.
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

/// Somebody's Python, and the programs that it is to run, in a folder of their own that goes when nobody needs it.
#[derive(Clone, Debug)]
pub(crate) struct Python {
    program: PathBuf,
    folder: Arc<TempDir>,
}

impl Python {
    /// Lays the programs out for it.
    pub fn new(program: &Path) -> Result<Self, BenchError> {
        let written = tempfile::Builder::new().prefix("elman-bench-").tempdir().and_then(|folder| {
            FILES.iter().try_for_each(|(name, text)| fs::write(folder.path().join(name), text))?;
            Ok(folder)
        });
        let folder = written.map_err(|source: io::Error| BenchError::Scripts { source })?;
        Ok(Self { program: program.into(), folder: Arc::new(folder) })
    }

    /// Runs one of the programs to its end and reads what it printed.
    pub fn run<T: DeserializeOwned>(&self, script: &str, arguments: &[String]) -> Result<T, BenchError> {
        let python = || self.program.clone();
        let output = Command::new(&self.program)
            .arg(self.folder.path().join(script))
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
        serde_json::from_slice(&output.stdout).map_err(|source| BenchError::Figures { python: python(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_there_as_long_as_anybody_needs_them() {
        let python = Python::new(Path::new("python")).unwrap();
        let folder = python.folder.path().to_owned();
        let other = python.clone();
        drop(python);
        for (name, text) in FILES {
            assert_eq!(fs::read_to_string(folder.join(name)).unwrap(), text);
        }
        drop(other);
        assert!(!folder.exists());
    }
}
