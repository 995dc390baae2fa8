#![no_main]
use elman_fuzz::model_with;
use libfuzzer_sys::fuzz_target;

// A config.json with valid weights and a valid tokenizer.
fuzz_target!(|bytes: &[u8]| model_with("config.json", bytes));
