//! Interrupted and resumed training gives the same result as uninterrupted training.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use burn::tensor::Device;
use elman_lm::{
    Dropouts, LanguageModel, LanguageModelConfig, LmError, TrainConfig,
    train::{Checkpoints, Epoch, Event, Every, LogFile, Observer, Optimizer, Schedule, Trained, Training},
};
use elman_recurrence::StateDict;
use elman_testkit::{device, devices};
use elman_text::Tokens;

fn text() -> Tokens {
    let ids: Vec<u32> = (0..241_u32).map(|i| (i * i + i / 7) % 7).collect();
    Tokens::from_ids(&ids, 241, 241)
}

fn settings() -> TrainConfig {
    TrainConfig {
        batch: 4,
        bptt: 8, // 8 steps in an epoch
        epochs: 3,
        optimizer: Optimizer::Adam,
        learning_rate: 0.05,
        schedule: Schedule::Plateau { factor: 2.0 },
        clip: Some(1.0),
        log_every: 3,
        ..TrainConfig::default()
    }
}

struct Case {
    device: Device,
    settings: TrainConfig,
    folder: tempfile::TempDir,
}

impl Case {
    fn new(device: &Device, settings: TrainConfig) -> Self {
        Self { device: device.clone(), settings, folder: tempfile::tempdir().unwrap() }
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.folder.path()).with_every(Every::Steps(5))
    }

    fn model(&self) -> LanguageModel {
        self.device.seed(9);
        let sizes = LanguageModelConfig { d_embed: 6, d_hidden: 8, ..LanguageModelConfig::new(7) };
        LanguageModelConfig { dropout: Dropouts::all(0.3), ..sizes }.init(&self.device).unwrap()
    }

    /// Trains from the latest checkpoint if there is one, to the end or to step `stop_at`.
    fn run(&self, stop_at: Option<usize>) -> Result<Trained, LmError> {
        let flag = AtomicBool::new(false);
        let mut stop = |event: Event<'_>| {
            flag.fetch_or(matches!(event, Event::Step(step) if Some(step) == stop_at), Ordering::Relaxed);
            Ok(())
        };
        self.observed(&mut stop, &flag)
    }

    fn observed(&self, observer: &mut dyn Observer, flag: &AtomicBool) -> Result<Trained, LmError> {
        let text = text();
        let training = Training::new(self.model(), &text, &self.settings).with_validation(&text);
        training.with_checkpoints(self.checkpoints()).resuming().with_interrupt(flag).run(observer)
    }

    fn files(&self) -> Vec<String> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        self.checkpoints().list().unwrap().iter().map(|path| name(path)).collect()
    }
}

fn bytes(model: &LanguageModel) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    StateDict::from_module(model).save(&path).unwrap();
    fs::read(path).unwrap()
}

/// Fails at the first step.
struct Fails;

impl Observer for Fails {
    fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
        if matches!(event, Event::Step(_)) { Err(LmError::NotFinite) } else { Ok(()) }
    }
}

/// The metrics that do not depend on the clock.
fn without_times(epochs: &[Epoch]) -> Vec<Epoch> {
    epochs.iter().map(|e| Epoch { tokens_per_second: 0.0, seconds: 0.0, ..e.clone() }).collect()
}

#[test]
fn the_result_does_not_depend_on_the_step_of_the_interruption() {
    for device in devices().into_iter().filter(|d| ["flex", "ndarray"].contains(&d.name)) {
        let schedules = [Schedule::Plateau { factor: 2.0 }, Schedule::Cosine { warmup: 3 }];
        for (optimizer, schedule) in [Optimizer::Adam, Optimizer::Sgd].into_iter().zip(schedules) {
            let settings = TrainConfig { optimizer, schedule, ..settings() };
            let whole = Case::new(&device.device, settings.clone()).run(None).unwrap();
            for stop_at in 1..24 {
                let case = Case::new(&device.device, settings.clone());
                match case.run(Some(stop_at)).unwrap_err() {
                    LmError::Interrupted { step, checkpoint: Some(path) } => assert!(step == stop_at && path.exists()),
                    other => panic!("{other}"),
                }
                let rest = case.run(None).unwrap();
                assert!(bytes(&rest.model) == bytes(&whole.model), "{device}: {optimizer}, stopped at {stop_at}");
                let [found, expected] = [&rest, &whole].map(|trained| without_times(&trained.history.epochs));
                assert_eq!(found, expected, "stopped at {stop_at}");
            }
        }
    }
}

#[test]
fn a_damaged_checkpoint_is_reported_and_the_previous_one_is_used() {
    let device = &device();
    let whole = Case::new(device, settings()).run(None).unwrap();
    let case = Case::new(device, settings());
    case.run(Some(13)).unwrap_err();
    assert_eq!(case.files(), ["step-000000010.safetensors", "step-000000013.safetensors"]);
    let newest = case.folder.path().join("step-000000013.safetensors");
    let good = fs::read(&newest).unwrap();
    let middle = good.len() / 2;
    let mut flipped = good.clone();
    flipped[middle] ^= 1;
    for (damaged, reason) in [(&flipped, "checksum"), (&good[..middle].to_vec(), ""), (&Vec::new(), "")] {
        fs::write(&newest, damaged).unwrap();
        let mut resumed = None;
        let mut observer = |event: Event<'_>| {
            if let Event::Start(start) = event {
                resumed.clone_from(&start.resumed);
            }
            Ok(())
        };
        // stopped before a checkpoint is written: if only one is retained, it is the good one
        let keep_one = case.checkpoints().with_keep(1);
        let text = text();
        let training = Training::new(case.model(), &text, &case.settings).with_validation(&text).resuming();
        training.with_checkpoints(keep_one).run(&mut Fails).unwrap_err();
        assert_eq!(case.files(), ["step-000000010.safetensors", "step-000000013.safetensors"]);

        let rest = case.observed(&mut observer, &AtomicBool::new(false)).unwrap();
        assert!(bytes(&rest.model) == bytes(&whole.model));
        let resumed = resumed.unwrap();
        assert_eq!(resumed.step, 10);
        assert!(resumed.damaged[0].contains("step-000000013.safetensors': "), "{:?}", resumed.damaged);
        assert!(resumed.damaged[0].contains(reason), "{:?}", resumed.damaged);
        // restore the checkpoints
        case.checkpoints().clear().unwrap();
        case.run(Some(13)).unwrap_err();
    }
    for file in case.checkpoints().list().unwrap() {
        fs::write(file, b"{}").unwrap();
    }
    let message = case.run(None).unwrap_err().to_string();
    assert!(message.contains("step-000000013.safetensors': "), "{message}");
}

#[test]
fn only_the_latest_checkpoints_are_retained() {
    let device = &device();
    for (keep, expected) in [(1, vec![24]), (3, vec![16, 20, 24]), (99, vec![5, 8, 10, 15, 16, 20, 24])] {
        let case = Case::new(device, settings());
        let checkpoints = case.checkpoints().with_keep(keep);
        let text = text();
        let training = Training::new(case.model(), &text, &case.settings).with_validation(&text);
        training.with_checkpoints(checkpoints).run(&mut ()).unwrap();
        let expected: Vec<String> = expected.iter().map(|step| format!("step-{step:09}.safetensors")).collect();
        assert_eq!(case.files(), expected);
    }
    let case = Case::new(device, settings());
    let text = text();
    let training = Training::new(case.model(), &text, &case.settings).with_validation(&text);
    let error = training.with_checkpoints(case.checkpoints().with_keep(0)).run(&mut ()).unwrap_err();
    assert_eq!(error.to_string(), "the number of checkpoints to keep must be at least 1, not 0");
}

#[test]
fn a_finished_run_resumes_only_with_more_epochs() {
    let mut case = Case::new(&device(), settings());
    let whole = case.run(None).unwrap();
    let mut steps = 0;
    let mut count = |event: Event<'_>| {
        steps += usize::from(matches!(event, Event::Step(_)));
        Ok(())
    };
    let again = case.observed(&mut count, &AtomicBool::new(false)).unwrap();
    assert!(bytes(&again.model) == bytes(&whole.model));
    assert_eq!(steps, 0);
    case.settings.epochs = 5;
    assert_eq!(case.run(None).unwrap().history.epochs.len(), 5);
}

#[test]
fn a_checkpoint_of_another_run_is_rejected() {
    let mut case = Case::new(&device(), settings());
    case.run(Some(13)).unwrap_err();
    case.settings.bptt = 9;
    let message = case.run(None).unwrap_err().to_string();
    assert!(message.contains("step-000000013.safetensors' is a checkpoint of another run: bptt is now 9"), "{message}");
}

#[test]
fn divergence_names_the_last_good_checkpoint_which_resumes_with_another_learning_rate() {
    let schedule = Schedule::Constant;
    let mut case = Case::new(&device(), TrainConfig { schedule, ..settings() });
    case.run(Some(6)).unwrap_err();
    // overflows f32: after one step the weights are not finite
    case.settings = TrainConfig { learning_rate: 1e39, clip: None, optimizer: Optimizer::Adam, ..case.settings };
    match case.run(None).unwrap_err() {
        error @ LmError::Stopped { .. } => {
            let message = error.to_string();
            assert!(
                message.starts_with("training diverged at step ") && message.contains("gradient norm"),
                "{message}"
            );
            assert!(message.contains("the last good checkpoint is ") && message.contains("step-00"), "{message}");
        }
        other => panic!("{other}"),
    }
    case.settings.learning_rate = 0.01;
    let mut changed = Vec::new();
    let mut observer = |event: Event<'_>| {
        if let Event::Start(start) = event {
            changed = start.resumed.as_ref().unwrap().changed.iter().map(|c| c.setting.clone()).collect();
        }
        Ok(())
    };
    case.observed(&mut observer, &AtomicBool::new(false)).unwrap();
    assert!(changed.contains(&"learning_rate".to_owned()), "{changed:?}");
}

#[test]
fn the_log_of_an_interrupted_run_equals_that_of_an_uninterrupted_one() {
    let events = |path: &Path| -> Vec<String> {
        let text = fs::read_to_string(path).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        let summary = |line: &serde_json::Value| format!("{} {} {}", line["event"], line["step"], line["loss"]);
        lines.filter(|line| line["event"] != "resume").map(|line| summary(&line)).collect()
    };
    let device = &device();
    let never = AtomicBool::new(false);
    let undisturbed = Case::new(device, settings());
    let whole = undisturbed.folder.path().join("log.jsonl");
    undisturbed.observed(&mut LogFile::new(&whole), &never).unwrap();

    let case = Case::new(device, settings());
    let path = case.folder.path().join("log.jsonl");
    // killed some steps after the checkpoint of step 10, in the middle of a line
    struct Dies<'a>(LogFile<'a>);
    impl Observer for Dies<'_> {
        fn observe(&mut self, event: Event<'_>) -> Result<(), LmError> {
            self.0.observe(event)?;
            if matches!(event, Event::Step(14)) { Err(LmError::NotFinite) } else { Ok(()) }
        }
    }
    case.observed(&mut Dies(LogFile::new(&path)), &never).unwrap_err();
    let mut log = fs::read_to_string(&path).unwrap();
    log.push_str("{\"event\":\"interv");
    fs::write(&path, log).unwrap();
    case.observed(&mut LogFile::new(&path), &never).unwrap();
    assert_eq!(events(&path), events(&whole));
}
