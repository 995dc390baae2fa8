#![no_main]
use std::fs;

use burn::tensor::Device;
use elman_embedding::encoder::Encoder;
use elman_fuzz::{checked, encoder, finite, language_model};
use elman_lm::LanguageModel;
use libfuzzer_sys::fuzz_target;

// A config.json beside good weights and a good tokenizer; the first byte says of which kind of model.
fuzz_target!(|bytes: &[u8]| {
    let Some((kind, config)) = bytes.split_first() else { return };
    let device = Device::flex();
    if kind % 2 == 0 {
        let path = language_model();
        fs::write(path.join("config.json"), config).unwrap();
        checked(LanguageModel::load_dir(path, &device));
    } else {
        let path = encoder();
        fs::write(path.join("config.json"), config).unwrap();
        if let Some(encoder) = checked(Encoder::load(path, &device)) {
            checked(encoder.encode(&["a cat"])).iter().flatten().for_each(|vector| finite(vector));
        }
    }
});
