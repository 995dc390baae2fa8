//! Times elman's recurrent layers beside the peers that they are measured against.
//!
//! `cargo bench -p elman-bench -- --help` explains the program; `docs/src/benchmarks.md` has figures.
//!
//! # Method
//! A figure is the median over repeats, after a warm-up that is not counted. Every contestant of a row does the same
//! work on the same input: *forward* runs a layer without gradients; *training* runs it and then backward from the sum
//! of its outputs to every parameter. Each repeat ends when the device has finished and a result has been read back.
//! elman's and burn-nn's repeats alternate, so that a machine that slows down slows both; PyTorch, in a process of its
//! own, runs right after them. What counts is a ratio of one row, not a time.

mod arguments;
mod case;
mod environment;
mod error;
mod layer;
mod report;
mod row;
mod timing;
mod torch;

pub use arguments::Arguments;
pub use error::BenchError;

use crate::{environment::Environment, report::Report, row::Row};

/// Times every cell on every case on every device that was asked for, and reports each row as soon as it is there.
///
/// # Errors
/// [`BenchError`]: a name or a number on the command line that cannot be used, a peer that fails, a report that cannot
/// be written.
pub fn run(arguments: &Arguments) -> Result<(), BenchError> {
    let plan = arguments.plan()?;
    let environment = Environment::read(plan.torch.as_ref().map(|torch| torch.name.clone()));
    let mut report = Report::begin(arguments.json(), environment)?;
    for device in &plan.devices {
        for cell in &plan.cells {
            for case in &plan.cases {
                let row = Row::measure(device, *cell, *case, plan.seconds, plan.torch.as_ref())?;
                report.row(&row)?;
            }
        }
    }
    report.finish()
}
