//! Forged checkpoints with valid checksums: each is an error that names the file, or training resumes and finishes.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use burn::tensor::TensorData;
use elman_testkit::{Mutants, device};
use elman_text::Tokens;

use super::{Checkpoints, Every, Snapshot};
use crate::{
    LanguageModelConfig, LmError, TrainConfig,
    train::{Event, Optimizer, Resumed, Trained, Training},
};

fn text() -> Tokens {
    let ids: Vec<u32> = (0..121_u32).map(|i| (i * i + i / 7) % 7).collect();
    Tokens::from_ids(&ids, 121, 121)
}

/// Resumes from the checkpoints of a folder. Trains to the end, or for `stop_at` steps.
fn run(folder: &Path, optimizer: Optimizer, stop_at: Option<usize>) -> Result<(Trained, Option<Resumed>), LmError> {
    let settings = TrainConfig {
        batch: 4,
        bptt: 8, // 4 steps in an epoch, the last of 5 tokens
        epochs: 3,
        optimizer,
        learning_rate: 0.05,
        log_every: 3,
        ..TrainConfig::default()
    };
    let sizes = LanguageModelConfig { d_embed: 3, d_hidden: 4, layers: 1, ..LanguageModelConfig::new(7) };
    let (text, flag) = (text(), AtomicBool::new(false));
    let checkpoints = Checkpoints::new(folder).with_every(Every::Steps(1000));
    let mut resumed = None;
    let training = Training::new(sizes.init(&device()).unwrap(), &text, &settings).with_validation(&text);
    let training = training.with_checkpoints(checkpoints).resuming().with_interrupt(&flag);
    let trained = training.run(&mut |event: Event<'_>| {
        match event {
            Event::Start(start) => resumed.clone_from(&start.resumed),
            Event::Step(step) => flag.store(stop_at == Some(step), Ordering::Relaxed),
            _ => {}
        }
        Ok(())
    })?;
    Ok((trained, resumed))
}

/// A checkpoint after six steps.
fn checkpoint(optimizer: Optimizer) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(run(folder.path(), optimizer, Some(6)), Err(LmError::Interrupted { .. })));
    fs::read(folder.path().join("step-000000006.safetensors")).unwrap()
}

fn forge(snapshot: &mut Snapshot, mutants: &mut Mutants) {
    match mutants.below(8) {
        0 => snapshot.model = mutants.bytes(&snapshot.model),
        1 => snapshot.optimizer = mutants.bytes(&snapshot.optimizer),
        2 => snapshot.best = snapshot.best.take().filter(|_| false).or_else(|| Some(mutants.bytes(&snapshot.model))),
        3 => match mutants.below(3) {
            0 => drop(snapshot.state.pop()),
            1 => snapshot.state.push(TensorData::zeros::<f32, _>([mutants.below(3), 4, 4])),
            _ => snapshot.state[0] = TensorData::full([1, 4, mutants.below(6)], [f32::NAN, 1e38][mutants.below(2)]),
        },
        // values of the progress: position, sums, metrics, settings
        _ => {
            let json = serde_json::to_string(&snapshot.progress).unwrap();
            if let Ok(progress) = serde_json::from_str(&mutants.text(&json)) {
                snapshot.progress = progress;
            }
        }
    }
}

#[test]
fn forged_checkpoints_are_rejected_or_resumed() {
    let mut mutants = Mutants::new(1000);
    let whole = [Optimizer::Sgd, Optimizer::Adam].map(|optimizer| (optimizer, checkpoint(optimizer)));
    for n in 0..mutants.count() {
        let (optimizer, whole) = &whole[n % 2];
        let mutant = match mutants.below(4) {
            0 => mutants.safetensors(whole),
            _ => {
                let mut snapshot = Snapshot::from_bytes(whole).unwrap();
                forge(&mut snapshot, &mut mutants);
                snapshot.to_bytes().unwrap()
            }
        };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("step-000000006.safetensors"), mutant).unwrap();
        mutants.open(folder.path(), || {
            let (trained, _) = run(folder.path(), *optimizer, None)?;
            assert!(trained.history.epochs.iter().all(|epoch| epoch.train_loss.is_finite()));
            Ok::<_, LmError>(())
        });
    }
    mutants.end();
}

/// The error of a checkpoint after `change`.
fn rejection(change: impl Fn(&mut Snapshot)) -> String {
    let mut snapshot = Snapshot::from_bytes(&checkpoint(Optimizer::Adam)).unwrap();
    change(&mut snapshot);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("step-000000006.safetensors"), snapshot.to_bytes().unwrap()).unwrap();
    run(folder.path(), Optimizer::Adam, None).unwrap_err().to_string()
}

#[test]
fn errors_name_the_forged_part() {
    let other = Snapshot::from_bytes(&checkpoint(Optimizer::Sgd)).unwrap();
    type Case<'a> = (&'a dyn Fn(&mut Snapshot), &'a str);
    let cases: [Case<'_>; 9] = [
        (
            &|s| s.progress.position.in_epoch = usize::MAX,
            "step 18446744073709551615 of epoch 2, step 6 in total, is not a position in this text",
        ),
        (&|s| s.progress.position.epoch = 0, "step 2 of epoch 0, step 6 in total, is not a position in this text"),
        (&|s| s.progress.divided = f64::NAN, "invalid learning rate factor NaN"),
        (&|s| s.progress.epochs.clear(), "its epochs are not those before epoch 2"),
        (&|s| s.progress.text = "é".repeat(6), "is a checkpoint of another run"),
        (&|s| s.optimizer.clone_from(&other.optimizer), "its optimizer has"),
        (&|s| s.best = None, "its best model and its best epoch disagree"),
        (&|s| s.state.truncate(1), "its hidden state does not fit the model"),
        (
            &|s| s.state[0] = TensorData::full([1, 4, 4], f32::INFINITY),
            "its state.0 is not a tensor [layers, batch, width] of finite values",
        ),
    ];
    for (change, expected) in cases {
        let message = rejection(change);
        assert!(message.contains(expected) && message.contains("step-000000006.safetensors'"), "{message}");
    }
}

#[test]
fn a_forged_checkpoint_falls_back_to_the_previous_one() {
    let folder = tempfile::tempdir().unwrap();
    let whole = checkpoint(Optimizer::Adam);
    fs::write(folder.path().join("step-000000006.safetensors"), &whole).unwrap();
    let mut snapshot = Snapshot::from_bytes(&whole).unwrap();
    snapshot.progress.position.step = 7;
    fs::write(folder.path().join("step-000000007.safetensors"), snapshot.to_bytes().unwrap()).unwrap();
    let (_, resumed) = run(folder.path(), Optimizer::Adam, None).unwrap();
    let resumed = resumed.unwrap();
    assert_eq!((resumed.step, resumed.damaged.len()), (6, 1));
    assert!(resumed.damaged[0].contains("step-000000007.safetensors': step 2"), "{resumed:?}");
}
