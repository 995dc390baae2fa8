//! Training of encoders: every kind of example reduces the loss, interruptions do not change the result, and unusable
//! examples are reported.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use burn::tensor::Device;
use elman_embedding::{
    EmbeddingError, VectorFile,
    encoder::{EncoderConfig, EncoderModel},
    train::{EncoderTrainConfig, Event, Examples, Texts, Training},
};
use elman_recurrence::StateDict;
use elman_testkit::{device, devices};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use tempfile::TempDir;

/// Texts of two kinds, and an empty one.
fn texts() -> Vec<String> {
    let word = |n: usize| ["abba", "baab", "aabb", "bbaa"][n % 4];
    let other = |n: usize| ["xyyx", "yxxy", "xxyy", "yyxx"][n % 4];
    let text = |n: usize| if n.is_multiple_of(2) { format!("{} {}", word(n), word(n / 3)) } else { other(n).into() };
    (0..40).map(text).chain([String::new()]).collect()
}

/// The numbers below 20 in binary, with two letters as digits: the order of letters determines a text's partner.
fn binary_numbers(two: &str) -> Vec<String> {
    let digit = |n: usize, bit: usize| two.chars().nth(n >> bit & 1).unwrap();
    (0..20).map(|n| (0..5).map(|bit| digit(n, bit)).collect()).collect()
}

struct Fixture {
    folder: TempDir,
    tokenizer: TextTokenizer,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text.txt");
        std::fs::write(&path, texts().join("\n")).unwrap();
        let tokenizer = TokenizerConfig::new(Unit::Char).train(&Corpus::open([path]).unwrap()).unwrap();
        Self { folder, tokenizer }
    }

    fn model(&self, dropout: f64, device: &Device) -> EncoderModel {
        let config = EncoderConfig { d_embed: 6, d_hidden: 8, d_projection: Some(4), dropout, ..EncoderConfig::new(9) };
        device.seed(1);
        EncoderConfig { vocabulary: self.tokenizer.vocab_size(), ..config }.init(device).unwrap()
    }

    fn column(&self, texts: &[String]) -> Texts {
        Texts::new(&self.tokenizer, texts, 64).unwrap()
    }

    /// A teacher that distinguishes the two kinds of text, whose vector `bad` is filled with `value`.
    fn teacher(&self, rows: usize, bad: usize, value: f32) -> VectorFile {
        let path = self.folder.path().join("teacher.safetensors");
        let row = |n: usize| match n {
            n if n == bad => [value; 5],
            n if n.is_multiple_of(2) => [1.0, 0.0, 0.5, 0.0, 0.1],
            _ => [0.0, 1.0, 0.0, 0.5, 0.1],
        };
        let bytes: Vec<u8> = (0..rows).flat_map(row).flat_map(f32::to_le_bytes).collect();
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![rows, 5], &bytes).unwrap();
        std::fs::write(&path, safetensors::serialize([("v", view)], None).unwrap()).unwrap();
        VectorFile::open(path).unwrap()
    }

    fn examples(&self, kind: &str) -> Examples {
        let all = texts();
        let (even, odd): (Vec<_>, Vec<_>) = all.iter().cloned().enumerate().partition(|(n, _)| n % 2 == 0);
        let [even, odd] = [even, odd].map(|c| c.into_iter().map(|(_, text)| text).take(20).collect::<Vec<String>>());
        let (mut next, odds) = (even.clone(), self.column(&odd));
        next.rotate_left(1);
        let [even, next] = [even, next].map(|c| self.column(&c));
        match kind {
            "teacher" => Examples::Texts(self.column(&all), Some(self.teacher(41, 41, 0.0))),
            "texts" => Examples::Texts(self.column(&all), None),
            "pairs" => Examples::Pairs(["ab", "xy"].map(|two| self.column(&binary_numbers(two)))),
            "scored" => Examples::Scored([even, odds], vec![-0.5; 20]),
            "triplets" => Examples::Triplets([even, next, odds]),
            _ => unreachable!(),
        }
    }
}

fn settings() -> EncoderTrainConfig {
    EncoderTrainConfig { batch: 8, epochs: 20, learning_rate: 0.02, warmup: 0, log_every: 5, ..Default::default() }
}

fn weights(model: &EncoderModel) -> Vec<f32> {
    let weights = StateDict::from_module(model);
    weights
        .shapes()
        .flat_map(|(name, _)| weights.data(name).unwrap().unwrap().iter::<f32>().collect::<Vec<_>>())
        .collect()
}

#[test]
fn training_on_every_kind_of_example_reduces_the_loss() {
    let fixture = Fixture::new();
    for device in devices() {
        for kind in ["teacher", "texts", "pairs", "scored", "triplets"] {
            let examples = fixture.examples(kind);
            let settings = EncoderTrainConfig { mse: 0.1, matryoshka: vec![2], next_word: 0.1, ..settings() };
            let model = fixture.model(if kind == "texts" { 0.1 } else { 0.0 }, &device.autodiff());
            let (mut losses, mut epochs, mut started) = (Vec::new(), 0, None);
            let mut observe = |event: Event<'_>| {
                match event {
                    Event::Start { steps, examples, left_out, resumed } => {
                        started = Some((steps, examples, left_out, resumed));
                    }
                    Event::Interval { loss, .. } => losses.push(loss),
                    Event::Epoch { .. } => epochs += 1,
                }
                Ok(())
            };
            Training::new(model, &examples, &settings).run(&mut observe).unwrap();
            let (count, left_out) = if ["teacher", "texts"].contains(&kind) { (40, 1) } else { (20, 0) };
            let steps = usize::div_ceil(count, 8) * 20;
            assert_eq!((started, epochs), (Some((steps, count, left_out, 0)), 20), "{device}, {kind}");
            let (first, last) = (losses[0], losses[losses.len() - 1]);
            assert!(last < 0.9 * first, "{device}, {kind}: {losses:?}");
        }
    }
}

#[test]
fn interruptions_do_not_change_the_result() {
    let fixture = Fixture::new();
    let device = device().autodiff();
    let (examples, settings) = (fixture.examples("texts"), settings());
    let training = || Training::new(fixture.model(0.2, &device), &examples, &settings);
    let whole = training().run(&mut |_| Ok(())).unwrap();

    let checkpoint = fixture.folder.path().join("checkpoint.safetensors");
    let flag = AtomicBool::new(false);
    let mut runs = 0;
    let parts = loop {
        let mut steps = 0;
        let result = training().with_checkpoint(&checkpoint, Duration::MAX).with_interrupt(&flag).run(&mut |event| {
            // interrupt each run once, within an epoch or at the end of one
            if let Event::Interval { .. } = event {
                steps += 1;
                flag.store(steps == runs + 1, Ordering::Relaxed);
            }
            Ok(())
        });
        runs += 1;
        match result {
            Ok(model) => break model,
            Err(EmbeddingError::Model(elman_lm::LmError::Interrupted { .. })) => flag.store(false, Ordering::Relaxed),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(runs > 3, "{runs}");
    assert_eq!(weights(&whole), weights(&parts));

    let other = EncoderTrainConfig { batch: 9, ..settings.clone() };
    let other =
        Training::new(fixture.model(0.2, &device), &examples, &other).with_checkpoint(&checkpoint, Duration::MAX);
    let message = other.run(&mut |_| Ok(())).unwrap_err().to_string();
    assert!(message.contains("batch is now 9, was 8"), "{message}");
    let bytes = std::fs::read(&checkpoint).unwrap();
    std::fs::write(&checkpoint, [&bytes[..bytes.len() - 9], &[0; 9]].concat()).unwrap();
    let message = training().with_checkpoint(&checkpoint, Duration::MAX).run(&mut |_| Ok(())).unwrap_err().to_string();
    assert!(message.contains("cannot resume from"), "{message}");
}

#[test]
fn unusable_examples_are_skipped_or_errors() {
    let fixture = Fixture::new();
    let device = device().autodiff();
    let run = |examples: &Examples, settings: &EncoderTrainConfig, dropout: f64| {
        let mut skipped = 0;
        let result = Training::new(fixture.model(dropout, &device), examples, settings).run(&mut |event| {
            if let Event::Start { left_out, .. } = event {
                skipped = left_out;
            }
            Ok(())
        });
        result.map(|_| skipped).map_err(|error| error.to_string())
    };
    let all = || fixture.column(&texts());
    let settings = EncoderTrainConfig { epochs: 1, ..settings() };
    let teacher = |rows, bad, value| Examples::Texts(all(), Some(fixture.teacher(rows, bad, value)));
    assert_eq!(run(&teacher(41, 7, 0.0), &settings, 0.0), Ok(2), "the empty text and the zero vector");
    let message = run(&teacher(41, 7, f32::NAN), &settings, 0.0).unwrap_err();
    assert!(message.starts_with("vector 8 of") && message.contains("is not finite"), "{message}");
    let message = run(&teacher(40, 41, 0.0), &settings, 0.0).unwrap_err();
    assert!(message.contains("has 40 vectors, expected 41"), "{message}");
    let none = EncoderTrainConfig { cosine: 0.0, relational: 0.0, ..settings.clone() };
    let message = run(&teacher(41, 41, 0.0), &none, 0.0).unwrap_err();
    assert!(message.starts_with("the teacher would be unused"), "{message}");
    let message = run(&Examples::Texts(all(), None), &settings, 0.0).unwrap_err();
    assert!(message.contains("dropout (SimCSE)"), "{message}");
    let empty = fixture.column(&[String::new(), String::new()]);
    let message = run(&Examples::Texts(empty, None), &settings, 0.1).unwrap_err();
    assert_eq!(message, "none of 2 examples is usable");
    for (settings, expected) in [
        (EncoderTrainConfig { batch: 0, ..settings.clone() }, "the batch must be at least 1, not 0"),
        (
            EncoderTrainConfig { temperature: 0.0, ..settings.clone() },
            "the temperature must be a number above 0, not 0",
        ),
        (
            EncoderTrainConfig { cosine: f64::NAN, ..settings.clone() },
            "the weight of cosine must be a number of at least 0, not NaN",
        ),
        (EncoderTrainConfig { matryoshka: vec![0], ..settings }, "a matryoshka dimension must be at least 1, not 0"),
    ] {
        assert_eq!(run(&fixture.examples("pairs"), &settings, 0.0).unwrap_err(), expected);
    }
}

#[test]
fn a_loss_that_is_not_finite_stops_training() {
    let fixture = Fixture::new();
    let settings = EncoderTrainConfig { learning_rate: 1e30, ..settings() };
    let examples = fixture.examples("teacher");
    let result = Training::new(fixture.model(0.0, &device().autodiff()), &examples, &settings).run(&mut |_| Ok(()));
    assert!(matches!(result, Err(EmbeddingError::Model(elman_lm::LmError::Diverged { .. }))), "{result:?}");
}
