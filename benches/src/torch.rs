use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use elman::recurrence::CellKind;
use serde::Deserialize;

use crate::{case::Case, error::BenchError, timing::Figure};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/torch_rnn.py");

/// A Python that has torch.
pub(crate) struct Torch {
    python: PathBuf,
    device: String,
    /// What it calls itself, with its version.
    pub name: String,
}

/// What `peers/torch_rnn.py` prints for a case.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    peer: String,
    pub forward: Figure,
    pub training: Figure,
}

impl Torch {
    /// Measures the smallest case, to see that it is there before anything takes time.
    pub fn find(python: &Path, device: &str) -> Result<Self, BenchError> {
        let torch = Self { python: python.into(), device: device.into(), name: String::new() };
        let smallest = Case { batch: 1, time: 1, d_input: 1, d_hidden: 1 };
        let name = torch.measure(CellKind::Rnn, smallest, 0.0)?.map_or_else(String::new, |figures| figures.peer);
        Ok(Self { name, ..torch })
    }

    /// The figures of `torch.nn`'s layer of that kind; `None` where it has none.
    pub fn measure(&self, cell: CellKind, case: Case, seconds: f64) -> Result<Option<Figures>, BenchError> {
        if !matches!(cell, CellKind::Rnn | CellKind::Gru | CellKind::Lstm) {
            return Ok(None);
        }
        let Case { batch, time, d_input, d_hidden } = case;
        let output = Command::new(&self.python)
            .arg(SCRIPT)
            .args(["--cells", cell.name()])
            .args(["--cases", &format!("{batch},{time},{d_input},{d_hidden}")])
            .args(["--device", &self.device])
            .args(["--threads", &rayon::current_num_threads().to_string()])
            .args(["--seconds", &seconds.to_string()])
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BenchError::Start { python: self.python.clone(), source })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let reason = message.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
            let reason = reason.unwrap_or_else(|| output.status.to_string());
            return Err(BenchError::Peer { python: self.python.clone(), reason });
        }
        let figures = serde_json::from_slice(&output.stdout);
        figures.map(Some).map_err(|source| BenchError::Figures { python: self.python.clone(), source })
    }
}
