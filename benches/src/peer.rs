use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::{Deserialize, de::DeserializeOwned};

use crate::{error::BenchError, library::Library, timing::Figure, variant::Problem};

/// The folder of the scripts.
const SCRIPTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers");

/// A library that a script times with somebody's Python.
pub(crate) struct Peer {
    pub library: Library,
    script: Script,
    description: Description,
}

/// What a script says of itself.
#[derive(Debug, Deserialize)]
struct Description {
    /// The library and its version.
    peer: String,
    cells: Vec<String>,
    variants: Vec<String>,
}

/// What a script measures.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub forward: Figure,
    /// `None` where the library only runs layers.
    pub training: Option<Figure>,
}

/// The peers that somebody's Python has.
#[derive(Default)]
pub(crate) struct Peers {
    pub present: Vec<Peer>,
    /// Why the others are not measured, a line each.
    pub absent: Vec<String>,
}

impl Peers {
    /// Looks for every library that has a script, before anything takes time.
    pub fn find(python: &Path, device: &str) -> Result<Self, BenchError> {
        let torch = Peer::find(Library::Torch, "torch_rnn.py", python, device)?;
        let onnx_runtime = match device {
            "cpu" => Peer::find(Library::OnnxRuntime, "ort_rnn.py", python, device)?,
            _ => Err(format!("it is timed on the CPU alone, not on '{device}'")),
        };
        Self::sort(python, [(Library::Torch, torch), (Library::OnnxRuntime, onnx_runtime)])
    }

    /// One may be missing while there is another.
    fn sort(python: &Path, found: [(Library, Result<Peer, String>); 2]) -> Result<Self, BenchError> {
        let mut peers = Self::default();
        for (library, peer) in found {
            match peer {
                Ok(peer) => peers.present.push(peer),
                Err(reason) => peers.absent.push(format!("without {}: {reason}", library.title())),
            }
        }
        if peers.present.is_empty() {
            return Err(BenchError::NoPeer { python: python.into(), reasons: peers.absent.join("; ") });
        }
        Ok(peers)
    }
}

/// Why a library cannot be imported, if that is why its script failed.
fn absence(error: BenchError) -> Result<String, BenchError> {
    match error {
        BenchError::Peer { reason, .. }
            if reason.starts_with("ModuleNotFoundError:") || reason.starts_with("ImportError:") =>
        {
            Ok(reason)
        }
        error => Err(error),
    }
}

impl Peer {
    /// Asks the script what it has. The inner error says why the library cannot be imported.
    fn find(library: Library, file: &str, python: &Path, device: &str) -> Result<Result<Self, String>, BenchError> {
        let script = Script { python: python.into(), path: Path::new(SCRIPTS).join(file), device: device.into() };
        match script.run(&["--describe".into()]) {
            Ok(description) => Ok(Ok(Self { library, script, description })),
            Err(error) => absence(error).map(Err),
        }
    }

    /// The library and its version.
    pub fn name(&self) -> &str {
        &self.description.peer
    }

    /// The figures of the library's layer of that kind; `None` where it has none.
    pub fn measure(&self, problem: &Problem, seconds: f64) -> Result<Option<Figures>, BenchError> {
        let cell = problem.layer.cell.name();
        let Description { cells, variants, .. } = &self.description;
        let Some(variant) = problem.peers_name() else { return Ok(None) };
        if !cells.iter().any(|name| name == cell) || !variants.iter().any(|name| name == variant) {
            return Ok(None);
        }
        self.script.run(&arguments(problem, variant, seconds)).map(Some)
    }
}

fn arguments(problem: &Problem, variant: &str, seconds: f64) -> Vec<String> {
    let case = [problem.case.batch, problem.case.time, problem.case.d_input, problem.case.d_hidden];
    let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut arguments = vec![
        format!("--cell={}", problem.layer.cell),
        format!("--case={}", list(&case)),
        format!("--variant={variant}"),
        format!("--seconds={seconds}"),
    ];
    arguments.extend(problem.lengths.iter().map(|lengths| format!("--lengths={}", list(lengths))));
    arguments
}

/// A peer's program.
#[derive(Debug)]
struct Script {
    python: PathBuf,
    path: PathBuf,
    device: String,
}

impl Script {
    /// Runs it to its end and reads what it printed.
    fn run<T: DeserializeOwned>(&self, arguments: &[String]) -> Result<T, BenchError> {
        let output = Command::new(&self.python)
            .arg("-B") // leaves nothing beside the scripts
            .arg(&self.path)
            .arg(format!("--device={}", self.device))
            .arg(format!("--threads={}", rayon::current_num_threads()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|source| BenchError::Start { python: self.python.clone(), source })?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            let reason = message.lines().rfind(|line| !line.trim().is_empty()).map(|line| line.trim().to_owned());
            let reason = reason.unwrap_or_else(|| output.status.to_string());
            return Err(BenchError::Peer { python: self.python.clone(), reason });
        }
        serde_json::from_slice(&output.stdout)
            .map_err(|source| BenchError::Figures { python: self.python.clone(), source })
    }
}

#[cfg(test)]
mod tests {
    use elman::recurrence::CellKind;

    use super::*;
    use crate::{case::Case, variant::Variant};

    fn peer(library: Library) -> Peer {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let description =
            Description { peer: "it 1.0".into(), cells: names(&["gru", "lstm"]), variants: names(&["plain"]) };
        let script = Script { python: "/no/such/python".into(), path: "it.py".into(), device: "cpu".into() };
        Peer { library, script, description }
    }

    #[test]
    fn a_missing_library_is_named_and_the_other_goes_on() {
        let no_onnx = Err("ModuleNotFoundError: No module named 'onnx'".into());
        let found = [(Library::Torch, Ok(peer(Library::Torch))), (Library::OnnxRuntime, no_onnx)];
        let peers = Peers::sort(Path::new("python"), found).unwrap();
        assert_eq!(peers.present.iter().map(|peer| peer.library).collect::<Vec<_>>(), [Library::Torch]);
        assert_eq!(peers.absent, ["without ONNX Runtime: ModuleNotFoundError: No module named 'onnx'"]);
    }

    #[test]
    fn a_python_without_any_is_the_users_mistake() {
        let missing = |library, name| (library, Err(format!("ModuleNotFoundError: No module named '{name}'")));
        let found = [missing(Library::Torch, "torch"), missing(Library::OnnxRuntime, "onnx")];
        let error = Peers::sort(Path::new("python"), found).map(|_| ()).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("'torch'") && message.contains("'onnx'") && message.lines().count() == 1, "{message}");
        assert!(error.is_usage());
    }

    #[test]
    fn a_library_that_fails_is_not_passed_over() {
        let failed = |reason: &str| absence(BenchError::Peer { python: "python".into(), reason: reason.into() });
        assert_eq!(failed("ImportError: no libcudart").unwrap(), "ImportError: no libcudart");
        let error = failed("RuntimeError: it fell over").unwrap_err();
        assert_eq!(error.to_string(), "the peer 'python' failed: RuntimeError: it fell over");
        assert!(!error.is_usage());
    }

    #[test]
    fn a_peer_is_started_for_what_it_has() {
        let peer = peer(Library::Torch);
        let measure = |variant: &str, cell| {
            let variant: Variant = variant.parse().unwrap();
            peer.measure(&variant.problem(cell, Case::of(1, 2, 3)).unwrap(), 0.0)
        };
        assert!(measure("plain", CellKind::MinGru).unwrap().is_none());
        assert!(measure("bidirectional", CellKind::Lstm).unwrap().is_none());
        // it has this, and is no program
        assert!(matches!(measure("plain", CellKind::Lstm), Err(BenchError::Start { .. })));
    }

    #[test]
    fn a_script_is_told_the_whole_problem() {
        let ragged: Variant = "ragged".parse().unwrap();
        let mut problem = ragged.problem(CellKind::Gru, Case::of(2, 64, 3)).unwrap();
        problem.lengths = Some(vec![7, 64]);
        let expected = ["--cell=gru", "--case=2,64,3,3", "--variant=ragged", "--seconds=0.5", "--lengths=7,64"];
        assert_eq!(arguments(&problem, "ragged", 0.5), expected);
    }
}
