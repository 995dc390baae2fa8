//! Memory does not grow with the number of texts, nor with the length of one.

use std::alloc::System;

use cap::Cap;
use elman_embedding::encoder::{Encoder, EncoderConfig};
use elman_testkit::device;
use elman_text::{Corpus, Tokenizer, TokenizerConfig, Unit};

/// Counts the bytes that are held.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What threads and the tokenizer's cache may add.
const ALLOWED: usize = 2 << 20;

#[test]
fn memory_is_flat() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.txt");
    let words = ["the cat", "a dog", "sat on", "ran from", "the mat", "some house"];
    std::fs::write(&path, words.join("\n")).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Word).train(&Corpus::open([path]).unwrap()).unwrap();
    for bidirectional in [false, true] {
        let config =
            EncoderConfig { d_embed: 8, d_hidden: 8, bidirectional, ..EncoderConfig::new(tokenizer.vocab_size()) };
        let encoder = Encoder::new(config.init(&device()).unwrap(), tokenizer.clone()).unwrap();
        let text = |n: usize| (0..3 + n % 7).map(|k| words[(n + k) % 6]).collect::<Vec<_>>().join(" ");

        let most = |count: usize| {
            let vectors = encoder.encode_iter((0..count).map(text));
            vectors.map(|vector| vector.map(|_| ALLOCATOR.allocated()).unwrap()).max().unwrap()
        };
        let (few, many) = (most(10_000), most(100_000));
        assert!(many < few + ALLOWED, "a stream of texts: {few} bytes, then {many}");

        let line = text(6) + "\n";
        let held = |lines: usize| {
            let mut reading = encoder.start();
            let most = (0..lines).map(|_| {
                reading.append(&line).unwrap();
                ALLOCATOR.allocated()
            });
            (most.max().unwrap(), reading.vector().unwrap())
        };
        let ((few, _), (many, vector)) = (held(1000), held(100_000));
        assert!(100_000 * line.len() > 5_000_000 && many < few + ALLOWED, "a long text: {few} bytes, then {many}");
        let whole = line.repeat(100_000);
        let before = ALLOCATOR.allocated();
        let once = encoder.encode_one(&whole).unwrap();
        assert!(ALLOCATOR.allocated() < before + ALLOWED);
        let off = once.iter().zip(&vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-5, "the whole text equals its lines: {off}");
    }
}
