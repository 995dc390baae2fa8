#![no_main]
use burn::tensor::Device;
use elman_fuzz::{checked, file, finite};
use elman_recurrence::State;
use libfuzzer_sys::fuzz_target;

// A file with a hidden state.
fuzz_target!(|bytes: &[u8]| {
    let Some(state) = checked(State::load(file("state.safetensors", bytes), &Device::flex())) else { return };
    state.parts().iter().for_each(|part| finite(&part.to_data().to_vec::<f32>().expect("f32")));
});
