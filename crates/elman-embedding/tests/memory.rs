//! Memory grows neither with the number of texts nor with the length of a text.

use std::alloc::System;

use cap::Cap;
use elman_embedding::encoder::{Encoder, EncoderConfig};
use elman_testkit::device;
use elman_text::{Corpus, Tokenizer, TokenizerConfig, Unit};

/// Counts allocated bytes.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Allowance for threads and the tokenizer's cache, in bytes.
const ALLOWED: usize = 2 << 20;

#[test]
fn memory_is_bounded() {
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

        let peak = |count: usize| {
            let vectors = encoder.encode_iter((0..count).map(text));
            vectors.map(|vector| vector.map(|_| ALLOCATOR.allocated()).unwrap()).max().unwrap()
        };
        let (few, many) = (peak(10_000), peak(100_000));
        assert!(many < few + ALLOWED, "a stream of texts: {few} bytes, then {many}");

        let line = text(6) + "\n";
        let streamed = |lines: usize| {
            let mut embedding = encoder.start();
            let allocated = (0..lines).map(|_| {
                embedding.append(&line).unwrap();
                ALLOCATOR.allocated()
            });
            (allocated.max().unwrap(), embedding.vector().unwrap())
        };
        let ((few, _), (many, vector)) = (streamed(1000), streamed(100_000));
        assert!(100_000 * line.len() > 5_000_000 && many < few + ALLOWED, "a long text: {few} bytes, then {many}");
        let whole = line.repeat(100_000);
        let before = ALLOCATOR.allocated();
        let once = encoder.encode_one(&whole).unwrap();
        assert!(ALLOCATOR.allocated() < before + ALLOWED);
        let off = once.iter().zip(&vector).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(off < 2e-5, "the whole text equals its lines: {off}");
    }
}
