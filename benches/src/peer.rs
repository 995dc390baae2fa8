use std::path::Path;

use serde::Deserialize;

use crate::{
    error::BenchError,
    library::Library,
    place::{Place, Wanted},
    script::{ONNX_RUNTIME, Python, TORCH},
    timing::Figure,
    variant::Problem,
};

/// A library that a script times with somebody's Python.
#[derive(Clone)]
pub(crate) struct Peer {
    pub library: Library,
    python: Python,
    script: &'static str,
    description: Description,
}

/// What a script says of itself.
#[derive(Clone, Debug, Deserialize)]
struct Description {
    /// The library and its version.
    peer: String,
    cells: Vec<String>,
    variants: Vec<String>,
    place: Place,
}

/// What a script says when it is asked.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    /// Why it cannot compute where it is to.
    Absent {
        absent: String,
    },
    Present(Description),
}

/// What a script measures.
#[derive(Debug, Deserialize)]
pub(crate) struct Figures {
    pub forward: Figure,
    /// `None` where the library only runs layers.
    pub training: Option<Figure>,
}

/// The peers that somebody's Python has in one place.
#[derive(Clone, Default)]
pub(crate) struct Peers {
    pub present: Vec<Peer>,
    /// Why the others are not measured, a line each.
    pub absent: Vec<String>,
}

impl Peers {
    /// Looks for every library that has a script.
    pub fn find(python: &Python, wanted: &Wanted) -> Result<Self, BenchError> {
        let torch = Peer::find(Library::Torch, TORCH, python, wanted)?;
        let onnx_runtime = match wanted.is_processor() {
            true => Peer::find(Library::OnnxRuntime, ONNX_RUNTIME, python, wanted)?,
            false => Err(format!("it is timed on the CPU alone, not on '{}'", wanted.device)),
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

    /// The error of a run for which there is no peer in any place.
    pub fn none(python: &Path, all: &[Self]) -> Result<(), BenchError> {
        if all.iter().any(|peers| !peers.present.is_empty()) {
            return Ok(());
        }
        let mut reasons: Vec<_> = all.iter().flat_map(|peers| peers.absent.clone()).collect();
        reasons.dedup();
        Err(BenchError::NoPeer { python: python.into(), reasons: reasons.join("; ") })
    }

    /// Where PyTorch computes, if it takes part.
    pub fn torch_on(&self) -> Option<&Place> {
        self.present.iter().find(|peer| peer.library == Library::Torch).map(|peer| &peer.description.place)
    }

    pub fn libraries(&self) -> Vec<Library> {
        self.present.iter().map(|peer| peer.library).collect()
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
    /// Asks the script what it has. The inner error says why the library cannot be timed there.
    fn find(
        library: Library,
        script: &'static str,
        python: &Python,
        wanted: &Wanted,
    ) -> Result<Result<Self, String>, BenchError> {
        let arguments = [vec!["--describe".to_owned()], wanted.arguments()].concat();
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

    /// The figures of the library's layer of that kind; `None` where it has none.
    pub fn measure(&self, problem: &Problem, seconds: f64) -> Result<Option<Figures>, BenchError> {
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

fn arguments(problem: &Problem, variant: &str, place: &Place, seconds: f64) -> Vec<String> {
    let case = [problem.case.batch, problem.case.time, problem.case.d_input, problem.case.d_hidden];
    let list = |numbers: &[usize]| numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",");
    let mut arguments = vec![
        format!("--device={}", place.device),
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

    fn place() -> Place {
        Place { device: "cuda:1".into(), card: None, kernels: None, tf32: None }
    }

    fn peer(library: Library) -> Peer {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let (cells, variants) = (names(&["gru", "lstm"]), names(&["plain"]));
        let description = Description { peer: "it 1.0".into(), cells, variants, place: place() };
        Peer { library, python: Python::new(Path::new("/no/such/python")).unwrap(), script: TORCH, description }
    }

    #[test]
    fn a_missing_library_is_named_and_the_other_goes_on() {
        let mut peers = Peers::default();
        peers.add(Library::Torch, Ok(peer(Library::Torch)));
        peers.add(Library::OnnxRuntime, Err("ModuleNotFoundError: No module named 'onnx'".into()));
        assert_eq!((peers.libraries(), peers.torch_on()), (vec![Library::Torch], Some(&place())));
        assert_eq!(peers.absent, ["without ONNX Runtime: ModuleNotFoundError: No module named 'onnx'"]);
    }

    #[test]
    fn a_python_without_any_is_the_users_mistake() {
        let mut nothing = Peers::default();
        nothing.add(Library::Torch, Err("torch 2.0 finds no CUDA device".into()));
        nothing.add(Library::OnnxRuntime, Err("ModuleNotFoundError: No module named 'onnx'".into()));
        let error = Peers::none(Path::new("python"), &[nothing.clone(), nothing.clone()]).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("CUDA") && message.contains("'onnx'") && message.lines().count() == 1, "{message}");
        assert!(error.is_usage());
        let mut something = Peers::default();
        something.add(Library::Torch, Ok(peer(Library::Torch)));
        assert!(Peers::none(Path::new("python"), &[nothing, something]).is_ok());
    }

    #[test]
    fn a_script_may_say_that_its_library_cannot_compute_there() {
        let answer = |text| serde_json::from_str::<Answer>(text).unwrap();
        let absent = answer(r#"{"peer": "torch 2.0", "absent": "torch 2.0 finds no CUDA device"}"#);
        assert!(matches!(absent, Answer::Absent { absent } if absent.ends_with("no CUDA device")));
        let present = r#"{"peer": "torch 2.0", "cells": [], "variants": [], "place": {"device": "cpu"}}"#;
        assert!(matches!(answer(present), Answer::Present(description) if description.place.device == "cpu"));
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
        let expected =
            ["--device=cuda:1", "--cell=gru", "--case=2,64,3,3", "--variant=ragged", "--seconds=0.5", "--lengths=7,64"];
        assert_eq!(arguments(&problem, "ragged", &place(), 0.5), expected);
    }
}
