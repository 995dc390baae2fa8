use std::path::Path;

use serde::Deserialize;

use crate::{
    error::BenchError,
    library::Library,
    peer_device::{DeviceRequest, PeerDevice},
    script::{ONNX_RUNTIME, Python, TORCH},
    timing::Timing,
    variant::Problem,
};

/// A library that a script times with the given Python interpreter.
#[derive(Clone)]
pub(crate) struct Peer {
    pub library: Library,
    python: Python,
    script: &'static str,
    description: Description,
}

/// What a script supports, from `--describe`.
#[derive(Clone, Debug, Deserialize)]
struct Description {
    /// The library and its version.
    peer: String,
    cells: Vec<String>,
    variants: Vec<String>,
    place: PeerDevice,
}

/// A script's answer to `--describe`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    /// Why the library cannot run on the device.
    Absent {
        absent: String,
    },
    Present(Description),
}

/// The timings that a script prints.
#[derive(Debug, Deserialize)]
pub(crate) struct PeerTimings {
    pub forward: Timing,
    /// `None` if the library supports only inference.
    pub training: Option<Timing>,
}

/// The peers that a Python interpreter has on one device.
#[derive(Clone, Default)]
pub(crate) struct Peers {
    pub present: Vec<Peer>,
    /// Why the others are not measured, one line each.
    pub absent: Vec<String>,
}

impl Peers {
    /// Queries every library that has a script.
    pub fn find(python: &Python, request: &DeviceRequest) -> Result<Self, BenchError> {
        let torch = Peer::find(Library::Torch, TORCH, python, request)?;
        let onnx_runtime = match request.is_cpu() {
            true => Peer::find(Library::OnnxRuntime, ONNX_RUNTIME, python, request)?,
            false => Err(format!("it is timed only on the CPU, not on '{}'", request.device)),
        };
        let mut peers = Self::default();
        for (library, peer) in [(Library::Torch, torch), (Library::OnnxRuntime, onnx_runtime)] {
            peers.add(library, peer);
        }
        Ok(peers)
    }

    fn add(&mut self, library: Library, peer: Result<Peer, String>) {
        match peer {
            Ok(peer) => self.present.push(peer),
            Err(reason) => self.absent.push(format!("without {}: {reason}", library.title())),
        }
    }

    /// Fails if no device has a peer.
    pub fn require_any(python: &Path, all: &[Self]) -> Result<(), BenchError> {
        if all.iter().any(|peers| !peers.present.is_empty()) {
            return Ok(());
        }
        let mut reasons: Vec<_> = all.iter().flat_map(|peers| peers.absent.clone()).collect();
        reasons.dedup();
        Err(BenchError::NoPeer { python: python.into(), reasons: reasons.join("; ") })
    }

    /// The device of PyTorch, if it takes part.
    pub fn torch_on(&self) -> Option<&PeerDevice> {
        self.present.iter().find(|peer| peer.library == Library::Torch).map(|peer| &peer.description.place)
    }

    pub fn libraries(&self) -> Vec<Library> {
        self.present.iter().map(|peer| peer.library).collect()
    }
}

/// The import error, if that is why the script failed.
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
    /// Asks the script what it supports. The inner error says why the library cannot be timed on the device.
    fn find(
        library: Library,
        script: &'static str,
        python: &Python,
        request: &DeviceRequest,
    ) -> Result<Result<Self, String>, BenchError> {
        let arguments = [vec!["--describe".to_owned()], request.arguments()].concat();
        match python.run(script, &arguments) {
            Ok(Answer::Present(description)) => Ok(Ok(Self { library, python: python.clone(), script, description })),
            Ok(Answer::Absent { absent }) => Ok(Err(absent)),
            Err(error) => absence(error).map(Err),
        }
    }

    /// The library and its version.
    pub fn name(&self) -> &str {
        &self.description.peer
    }

    /// Times the library's layer; `None` if it does not support the cell or variant.
    pub fn measure(&self, problem: &Problem, seconds: f64) -> Result<Option<PeerTimings>, BenchError> {
        let cell = problem.layer.cell.name();
        let Description { cells, variants, .. } = &self.description;
        let Some(variant) = problem.peers_name() else { return Ok(None) };
        if !cells.iter().any(|name| name == cell) || !variants.iter().any(|name| name == variant) {
            return Ok(None);
        }
        let arguments = arguments(problem, variant, &self.description.place, seconds);
        self.python.run(self.script, &arguments).map(Some)
    }
}

fn arguments(problem: &Problem, variant: &str, device: &PeerDevice, seconds: f64) -> Vec<String> {
    let case = [problem.case.batch, problem.case.time, problem.case.d_input, problem.case.d_hidden];
    let list = |values: &[usize]| values.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut arguments = vec![
        format!("--device={}", device.device),
        format!("--cell={}", problem.layer.cell),
        format!("--case={}", list(&case)),
        format!("--variant={variant}"),
        format!("--seconds={seconds}"),
    ];
    arguments.extend(problem.lengths.iter().map(|lengths| format!("--lengths={}", list(lengths))));
    arguments
}

#[cfg(test)]
mod tests {
    use elman::recurrence::CellKind;

    use super::*;
    use crate::{case::Case, variant::Variant};

    fn device() -> PeerDevice {
        PeerDevice { device: "cuda:1".into(), card: None, kernels: None, tf32: None }
    }

    fn peer(library: Library) -> Peer {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (cells, variants) = (names(&["gru", "lstm"]), names(&["plain"]));
        let description = Description { peer: "it 1.0".into(), cells, variants, place: device() };
        Peer { library, python: Python::new(Path::new("/no/such/python")).unwrap(), script: TORCH, description }
    }

    #[test]
    fn missing_library_is_reported_and_the_other_remains() {
        let mut peers = Peers::default();
        peers.add(Library::Torch, Ok(peer(Library::Torch)));
        peers.add(Library::OnnxRuntime, Err("ModuleNotFoundError: No module named 'onnx'".into()));
        assert_eq!((peers.libraries(), peers.torch_on()), (vec![Library::Torch], Some(&device())));
        assert_eq!(peers.absent, ["without ONNX Runtime: ModuleNotFoundError: No module named 'onnx'"]);
    }

    #[test]
    fn python_without_any_library_is_a_usage_error() {
        let mut without = Peers::default();
        without.add(Library::Torch, Err("torch 2.0 finds no CUDA device".into()));
        without.add(Library::OnnxRuntime, Err("ModuleNotFoundError: No module named 'onnx'".into()));
        let error = Peers::require_any(Path::new("python"), &[without.clone(), without.clone()]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("CUDA") && message.contains("'onnx'") && message.lines().count() == 1, "{message}");
        assert!(error.is_usage());
        let mut with_torch = Peers::default();
        with_torch.add(Library::Torch, Ok(peer(Library::Torch)));
        assert!(Peers::require_any(Path::new("python"), &[without, with_torch]).is_ok());
    }

    #[test]
    fn script_may_answer_that_the_device_is_unsupported() {
        let answer = |text| serde_json::from_str::<Answer>(text).unwrap();
        let absent = answer(r#"{"peer": "torch 2.0", "absent": "torch 2.0 finds no CUDA device"}"#);
        assert!(matches!(absent, Answer::Absent { absent } if absent.ends_with("no CUDA device")));
        let present = r#"{"peer": "torch 2.0", "cells": [], "variants": [], "place": {"device": "cpu"}}"#;
        assert!(matches!(answer(present), Answer::Present(description) if description.place.device == "cpu"));
    }

    #[test]
    fn only_import_errors_count_as_absence() {
        let failed = |reason: &str| absence(BenchError::Peer { python: "python".into(), reason: reason.into() });
        assert_eq!(failed("ImportError: no libcudart").unwrap(), "ImportError: no libcudart");
        let error = failed("RuntimeError: it fell over").unwrap_err();
        assert_eq!(error.to_string(), "the peer 'python' failed: RuntimeError: it fell over");
        assert!(!error.is_usage());
    }

    #[test]
    fn peer_is_started_only_for_supported_cells_and_variants() {
        let peer = peer(Library::Torch);
        let measure = |variant: &str, cell| {
            let variant: Variant = variant.parse().unwrap();
            peer.measure(&variant.problem(cell, Case::square(1, 2, 3)).unwrap(), 0.0)
        };
        assert!(measure("plain", CellKind::MinGru).unwrap().is_none());
        assert!(measure("bidirectional", CellKind::Lstm).unwrap().is_none());
        // supported, but the interpreter does not exist
        assert!(matches!(measure("plain", CellKind::Lstm), Err(BenchError::Start { .. })));
    }

    #[test]
    fn script_receives_the_whole_problem() {
        let ragged: Variant = "ragged".parse().unwrap();
        let mut problem = ragged.problem(CellKind::Gru, Case::square(2, 64, 3)).unwrap();
        problem.lengths = Some(vec![7, 64]);
        let expected =
            ["--device=cuda:1", "--cell=gru", "--case=2,64,3,3", "--variant=ragged", "--seconds=0.5", "--lengths=7,64"];
        assert_eq!(arguments(&problem, "ragged", &device(), 0.5), expected);
    }
}
