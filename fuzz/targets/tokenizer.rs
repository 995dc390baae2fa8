#![no_main]
use elman_fuzz::checked;
use elman_text::{TextTokenizer, Tokenizer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(tokenizer) = checked(TextTokenizer::from_bytes(bytes, "tokenizer.json")) else { return };
    for text in ["", "a cat sat on the mat", "Ünïcode 猫 \u{1F980}\r\n\t ", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa 0123"] {
        let Some(ids) = checked(tokenizer.encode(text)) else { continue };
        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()), "an id outside the vocabulary");
        checked(tokenizer.decode(&ids));
    }
});
