//! Texts without white space: DNA, base64, languages without spaces.

use std::{
    collections::HashSet,
    fs,
    time::{Duration, Instant},
};

use elman_text::{Corpus, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use tempfile::{TempDir, tempdir};
use tokenizers::{
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

/// A text of `length` characters drawn from an alphabet.
fn draw(alphabet: &[char], length: usize) -> String {
    let mut rng = StdRng::seed_from_u64(7);
    (0..length).map(|_| alphabet[rng.random_range(0..alphabet.len())]).collect()
}

fn corpus(text: &str) -> (TempDir, Corpus) {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, text).unwrap();
    let corpus = Corpus::open([path]).unwrap();
    (folder, corpus)
}

fn train(text: &str, size: usize) -> TextTokenizer {
    TokenizerConfig::new(Unit::Bpe).with_vocab_size(size).train(&corpus(text).1).unwrap()
}

/// The tokens that the library learns from the whole text without a word limit.
fn uncut(text: &str, size: usize) -> HashSet<String> {
    let trainer = BpeTrainer::builder()
        .vocab_size(size)
        .min_frequency(1)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .show_progress(false)
        .build();
    let mut library = tokenizers::Tokenizer::new(BPE::default());
    library.with_pre_tokenizer(Some(ByteLevel::new(false, false, true)));
    library.train(&mut TrainerWrapper::from(trainer), [text.to_owned()].into_iter()).unwrap();
    library.get_vocab(true).into_keys().collect()
}

#[test]
fn training_on_a_megabyte_without_spaces_takes_seconds() {
    let base64: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').collect();
    let cjk: Vec<char> = ('\u{4e00}'..'\u{5200}').collect();
    let dna: Vec<char> = "ACGT".chars().collect();
    for (name, alphabet) in [("dna", dna), ("base64", base64), ("cjk", cjk), ("one", vec!['a'])] {
        let text = draw(&alphabet, 1_000_000 / alphabet[0].len_utf8());
        let (_folder, corpus) = corpus(&text);
        for unit in [Unit::Bpe, Unit::Word, Unit::Char] {
            let start = Instant::now();
            let tokenizer = TokenizerConfig::new(unit).train(&corpus).unwrap();
            let learned = start.elapsed();
            let ids = tokenizer.encode(&text).unwrap();
            println!("{name} {unit}: learned in {learned:?}, read in {:?}", start.elapsed() - learned);
            // quadratic time would be minutes
            assert!(start.elapsed() < Duration::from_secs(40), "{name} {unit}: {:?}", start.elapsed());
            if unit != Unit::Word {
                assert_eq!(tokenizer.decode(&ids).unwrap(), text, "{name} {unit}");
            }
            // a megabyte is a single chunk
            let line_end = usize::from(unit == Unit::Word);
            assert_eq!(corpus.encode(&tokenizer).unwrap().len(), ids.len() + line_end, "{name} {unit}");
        }
    }
}

#[test]
fn word_limit_does_not_affect_short_words() {
    let text = "the cat sat on the mat, naïve 猫 and dogs\n".repeat(40) + &"x".repeat(256) + " end";
    let tokenizer = train(&text, 400);
    let tokens: HashSet<String> = (0..400).filter_map(|id| tokenizer.id_to_token(id)).collect();
    assert_eq!(tokens, uncut(&text, 400));
}

#[test]
fn word_limit_hardly_affects_merges_of_long_words() {
    let text = draw(&['A', 'C', 'G', 'T'], 20_000);
    let tokenizer = train(&text, 356);
    let tokens: HashSet<String> = (0..356).filter_map(|id| tokenizer.id_to_token(id)).collect();
    let common = tokens.intersection(&uncut(&text, 356)).count();
    assert!(common >= 350, "{common} of 356 tokens");
    let longest = tokens.iter().map(String::len).max();
    assert!(longest > Some(3), "merges were made: {longest:?}");
}
