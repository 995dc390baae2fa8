#![no_main]
use elman_classify::Classifier;
use elman_fuzz::{checked, file};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some(classifier) = checked(Classifier::load(file("classifier.safetensors", bytes))) else { return };
    if let Some(prediction) = checked(classifier.predict(&vec![0.5; classifier.width()])) {
        assert!(prediction.probability().is_finite());
    }
});
