use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use clap::Args;
use elman::lm::train::{Checkpoints, Every};

use crate::error::CliError;

#[derive(Args, Debug)]
#[command(next_help_heading = "Checkpoints")]
pub struct InterruptionOptions {
    /// Interval between checkpoints: steps (500) or time (10m, 90s, 2h). One is also written after each epoch and at
    /// Ctrl-C
    #[arg(long, value_name = "STEPS|TIME", default_value = "10m")]
    checkpoint_every: Every,

    /// Number of latest checkpoints to keep; each is about four times as large as the model
    #[arg(long, value_name = "N", default_value_t = 2)]
    keep: usize,

    /// Resume from the latest checkpoint in the output directory; start from the beginning if there is none
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
}

impl InterruptionOptions {
    /// The checkpoints of a model directory.
    pub fn checkpoints(&self, out: &Path) -> Checkpoints {
        Checkpoints::new(out.join("checkpoints")).with_every(self.checkpoint_every).with_keep(self.keep)
    }
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs a handler of Ctrl-C and termination signals. The first one sets the returned flag, the second ends the
/// process.
pub fn interrupt_flag() -> Result<&'static AtomicBool, CliError> {
    ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(CliError::INTERRUPTED.into());
        }
        eprintln!("\nstopping after this step and saving a checkpoint (press Ctrl-C again to abort)");
    })
    .map_err(|source| CliError::Signal { source })?;
    Ok(&INTERRUPTED)
}
