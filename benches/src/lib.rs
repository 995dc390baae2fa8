//! Times elman's recurrent layers beside the peers that they are measured against.
//!
//! `cargo bench -p elman-bench -- --help` explains the program; `docs/src/benchmarks.md` has figures.
//!
//! # Method
//! A figure is the median over repeats, after a warm-up that is not counted. Every contestant of a row does the same
//! work on the same input: *forward* runs a layer without gradients; *training* runs it and then backward from the sum
//! of its outputs to every parameter. Each repeat ends when the device has finished and a result has been read back.
//! elman's and burn-nn's repeats alternate, so that a machine that slows down slows both; PyTorch and ONNX Runtime, in
//! processes of their own, run right after them. What counts is a ratio of one row, not a time.

mod arguments;
mod case;
mod environment;
mod error;
mod grid;
mod layer;
mod library;
mod operations;
mod peak;
mod peer;
mod report;
mod row;
mod table;
mod timing;
mod variant;

pub use arguments::Arguments;
pub use error::BenchError;

use crate::{environment::Environment, peak::Peak, report::Report, row::Setting, table::Table};

/// Times every cell on every case on every device that was asked for, and reports each row as soon as it is there.
///
/// # Errors
/// [`BenchError`]: a name or a number on the command line that cannot be used, a peer that fails, a report that cannot
/// be written.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let plan = arguments.plan()?;
    let peers = &plan.peers.present;
    let environment = Environment::read(peers.iter().map(|peer| peer.name().to_owned()).collect());
    let libraries: Vec<_> = peers.iter().map(|peer| peer.library).collect();
    let table = Table::new(&libraries, plan.variants.len() > 1);
    let mut report = Report::begin(arguments.json(), environment, &plan.peers.absent, table)?;
    for device in &plan.devices {
        let peak = Peak::measure(device, plan.seconds);
        report.device(&device.name, &peak)?;
        let setting = Setting { device, peak, variants: &plan.variants, peers, seconds: plan.seconds };
        for cell in &plan.cells {
            for case in &plan.cases {
                for row in setting.measure(*cell, *case)? {
                    report.row(&row)?;
                }
            }
        }
    }
    report.finish()
}
