#![no_main]
use elman_fuzz::model_with;
use libfuzzer_sys::fuzz_target;

// A config.json beside good weights and a good tokenizer.
fuzz_target!(|bytes: &[u8]| model_with("config.json", bytes));
