#![no_main]
use std::{
    env, fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use burn::tensor::Device;
use elman_fuzz::{checked, folder};
use elman_lm::{
    LanguageModelConfig, LmError, TrainConfig,
    train::{Checkpoints, Event, Every, Optimizer, Trained, Training},
};
use elman_text::Tokens;
use libfuzzer_sys::fuzz_target;

/// Resumes training from the checkpoints in a directory, until it is done or has run `stop_at` steps.
fn run(folder: &Path, stop_at: Option<usize>) -> Result<Trained, LmError> {
    let settings = TrainConfig {
        batch: 4,
        bptt: 8,
        epochs: 3,
        optimizer: Optimizer::Adam,
        learning_rate: 0.05,
        ..TrainConfig::default()
    };
    let sizes = LanguageModelConfig { d_embed: 3, d_hidden: 4, layers: 1, ..LanguageModelConfig::new(7) };
    let ids: Vec<u32> = (0..121_u32).map(|i| (i * i + i / 7) % 7).collect();
    let (text, interrupt) = (Tokens::from_ids(&ids, 121, 121), AtomicBool::new(false));
    let checkpoints = Checkpoints::new(folder).with_every(Every::Steps(1000));
    let training = Training::new(sizes.init(&Device::flex())?, &text, &settings).with_validation(&text);
    training.with_checkpoints(checkpoints).resuming().with_interrupt(&interrupt).run(&mut |event: Event<'_>| {
        if let Event::Step(step) = event {
            interrupt.store(stop_at == Some(step), Ordering::Relaxed);
        }
        Ok(())
    })
}

fn empty(name: &str) -> std::path::PathBuf {
    let path = folder().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir(&path).expect("a subdirectory");
    path
}

// A checkpoint from which training resumes. If ELMAN_SEED is set, a valid checkpoint is first written to that path.
fuzz_target!(
    init: {
        if let Some(seed) = env::var_os("ELMAN_SEED") {
            let folder = empty("seed");
            assert!(run(&folder, Some(6)).is_err(), "interrupted");
            fs::copy(folder.join("step-000000006.safetensors"), seed).expect("a seed");
        }
    },
    |bytes: &[u8]| {
        let folder = empty("checkpoints");
        fs::write(folder.join("step-000000006.safetensors"), bytes).expect("a file in the directory");
        if let Some(trained) = checked(run(&folder, None)) {
            assert!(trained.history.epochs.iter().all(|epoch| epoch.train_loss.is_finite()));
        }
    }
);
