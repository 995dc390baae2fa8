//! Forged checkpoints with valid checksums: each is an error that names the file, or training resumes from it and ends.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use elman_testkit::{Mutants, device};
use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::{EncoderTrainConfig, Event, Examples, Texts, Training, checkpoint::checksum};
use crate::{
    EmbeddingError,
    encoder::{EncoderConfig, EncoderModel},
};

fn tokenizer(folder: &Path) -> TextTokenizer {
    let path = folder.join("text.txt");
    fs::write(&path, "abcdefgh").unwrap();
    TokenizerConfig::new(Unit::Char).train(&Corpus::open([path]).unwrap()).unwrap()
}

/// Trains, resuming from a checkpoint, to the end or until step `stop_at`.
fn run(tokenizer: &TextTokenizer, path: &Path, stop_at: Option<usize>) -> Result<EncoderModel, EmbeddingError> {
    let texts = |shift: usize| -> Vec<String> {
        let letter = |n: usize| char::from(b'a' + (n % 8) as u8);
        (0..12).map(|n| [letter(n), letter(n + shift), letter(2 * n)].iter().collect()).collect()
    };
    let column = |shift| Texts::new(tokenizer, &texts(shift), 8).unwrap();
    let examples = Examples::Pairs([column(1), column(3)]);
    let config =
        EncoderConfig { d_embed: 3, d_hidden: 4, d_projection: None, ..EncoderConfig::new(tokenizer.vocab_size()) };
    let settings =
        EncoderTrainConfig { batch: 4, epochs: 3, next_word: 0.1, log_every: 1, ..EncoderTrainConfig::default() };
    let flag = AtomicBool::new(false);
    let training = Training::new(config.init(&device()).unwrap(), &examples, &settings);
    training.with_checkpoint(path, Duration::MAX).with_interrupt(&flag).run(&mut |event: Event<'_>| {
        if let Event::Interval { step, loss, .. } = event {
            assert!(loss.is_finite());
            flag.store(stop_at == Some(step), Ordering::Relaxed);
        }
        Ok(())
    })
}

/// A checkpoint with one part mutated and a valid checksum.
fn forge(whole: &[u8], mutants: &mut Mutants) -> Vec<u8> {
    let file = SafeTensors::deserialize(whole).unwrap();
    let mut blobs = ["progress", "model", "optimizer"].map(|name| file.tensor(name).unwrap().data().to_vec());
    match mutants.below(4) {
        0 => blobs[1] = mutants.bytes(&blobs[1]),
        1 => blobs[2] = mutants.bytes(&blobs[2]),
        _ => blobs[0] = mutants.text(std::str::from_utf8(&blobs[0]).unwrap()).into_bytes(),
    }
    let sum = checksum(blobs.each_ref());
    let [progress, model, optimizer] = &blobs;
    let views = [("progress", progress), ("model", model), ("optimizer", optimizer), ("sha256", &sum)];
    let views = views.map(|(name, blob)| (name, TensorView::new(Dtype::U8, vec![blob.len()], blob).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn forged_checkpoints_are_rejected_or_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let (tokenizer, path) = (tokenizer(folder.path()), folder.path().join("checkpoint.safetensors"));
    assert!(run(&tokenizer, &path, Some(4)).is_err());
    let whole = fs::read(&path).unwrap();
    let mut mutants = Mutants::new(1000);
    for _ in 0..mutants.count() {
        let mutant = if mutants.below(4) == 0 { mutants.safetensors(&whole) } else { forge(&whole, &mut mutants) };
        fs::write(&path, mutant).unwrap();
        mutants.open(&path, || match run(&tokenizer, &path, None) {
            // finite weights can be so large that the loss is not finite
            Err(EmbeddingError::Model(elman_lm::LmError::Diverged { .. } | elman_lm::LmError::NotFinite)) => Ok(()),
            result => result.map(drop),
        });
    }
    mutants.end();
}
