//! Times elman's recurrent layers against peer libraries; [`quantized`] measures the recall of quantized vectors.
//!
//! `cargo bench -p elman-bench -- --help` explains the program; `docs/src/benchmarks.md` has results.
//!
//! # Method
//! A reported time is the median over repeats, after a warm-up that is discarded. All contestants of a row do the
//! same work on the same input: *forward* runs a layer without gradients; *training* runs forward, then backward from
//! the sum of its outputs to every parameter. Each repeat ends when the device has synchronized and a result has been
//! read back. elman's and burn-nn's repeats alternate, so that thermal throttling affects both; PyTorch and ONNX
//! Runtime run right after them, in separate processes. Compare ratios within a row, not absolute times.

mod arguments;
mod case;
mod ceilings;
mod environment;
mod error;
mod grid;
mod layer;
mod library;
mod operations;
mod peer;
mod peer_device;
pub mod quantized;
mod report;
mod row;
mod script;
#[cfg(feature = "graph")]
pub mod search;
pub mod sentences;
mod table;
mod target;
mod timing;
mod traffic;
mod variant;
mod vectors;

pub use arguments::Arguments;
pub use error::BenchError;

use std::time::Instant;

use crate::{ceilings::Ceilings, environment::Environment, report::Report, row::Setting, table::Table, target::Target};

/// Times every selected cell, case and device, and reports each row as soon as it is measured.
///
/// # Errors
/// [`BenchError`] if a command-line argument is invalid, a peer fails, or the report cannot be written.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let plan = arguments.plan()?;
    let mut names: Vec<String> = Vec::new();
    for peer in plan.targets.iter().flat_map(|target| &target.peers.present) {
        if !names.iter().any(|name| name == peer.name()) {
            names.push(peer.name().into());
        }
    }
    let mut libraries: Vec<_> = plan.targets.iter().flat_map(|target| target.peers.libraries()).collect();
    libraries.sort();
    libraries.dedup();
    let table = |libraries: &[_]| Table::new(libraries, plan.variants.len() > 1);
    let mut report = Report::begin(arguments.json(), Environment::read(names), table(&libraries))?;
    for target @ Target { device, peers, seconds, budget, .. } in &plan.targets {
        let begin = Instant::now();
        let ceilings = Ceilings::measure(device, *seconds);
        report.device(device, &ceilings, peers, table(&peers.libraries()))?;
        let setting = Setting { target, ceilings, variants: &plan.variants };
        let mut skipped = Vec::new();
        for (cell, case) in &target.work {
            if begin.elapsed().as_secs_f64() > *budget {
                skipped.push((*cell, *case));
                continue;
            }
            for row in setting.measure(*cell, *case)? {
                report.row(&row)?;
            }
        }
        report.skipped(*budget, &skipped)?;
    }
    report.finish()
}
