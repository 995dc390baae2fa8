#![no_main]
use elman_fuzz::model_with;
use libfuzzer_sys::fuzz_target;

// A model.safetensors with a valid configuration and a valid tokenizer.
fuzz_target!(|bytes: &[u8]| model_with("model.safetensors", bytes));
