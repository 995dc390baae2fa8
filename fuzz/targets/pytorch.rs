#![no_main]
use elman_fuzz::{checked, file};
use elman_recurrence::StateDict;
use libfuzzer_sys::fuzz_target;

// A PyTorch state_dict, in any of its file formats.
fuzz_target!(|bytes: &[u8]| {
    let Some(weights) = checked(StateDict::open(file("weights.pt", bytes))) else { return };
    let names: Vec<String> = weights.shapes().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().take(64) {
        checked(weights.data(name));
    }
    let Some(model) = checked(weights.find_model()) else { return };
    let names: Vec<String> = model.weights.shapes().map(|(name, _)| name.to_owned()).collect();
    for name in names.iter().take(64) {
        checked(model.weights.data(name));
    }
});
