use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::Args;
use elman::lm::train::{Checkpoints, Every};

use crate::error::CliError;

#[derive(Args, Debug)]
#[command(next_help_heading = "Interruptions")]
pub struct InterruptionOptions {
    /// How often to write a checkpoint: a number of steps (500) or a time (10m, 90s, 2h). One is written after each
    /// epoch too, and at Ctrl-C
    #[arg(long, value_name = "STEPS|TIME", default_value = "10m")]
    checkpoint_every: Every,

    /// Checkpoints to keep, the latest; each is some four times as large as the model
    #[arg(long, value_name = "N", default_value_t = 2)]
    keep: usize,

    /// Go on from the latest checkpoint in DIR, with the same command; begin where there is none
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
}

impl InterruptionOptions {
    /// The checkpoints of the model in a directory.
    pub fn checkpoints(&self, out: &Path) -> Checkpoints {
        Checkpoints::new(out.join("checkpoints")).with_every(self.checkpoint_every).with_keep(self.keep)
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Ctrl-C (and a request to terminate) sets the flag that is returned; a second one ends the process at once.
pub fn interrupt_flag() -> Result<&'static AtomicBool, CliError> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(CliError::INTERRUPTED.into());
        }
        eprintln!("\nstopping after this step, to go on later (Ctrl-C again stops at once)");
    })
    .map_err(|source| CliError::Signal { source })?;
    Ok(&INTERRUPTED)
}
