#![no_main]
use elman_embedding::VectorFile;
use elman_fuzz::{checked, file};
use libfuzzer_sys::fuzz_target;

// A file of vectors: .npy, or .safetensors if the first byte is odd.
fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    let name = if kind % 2 == 0 { "vectors.npy" } else { "vectors.safetensors" };
    let Some(vectors) = checked(VectorFile::open(file(name, bytes))) else { return };
    if vectors.rows() > 0 && vectors.width() < 1 << 16 {
        checked(vectors.read(&[0, vectors.rows() - 1]));
    }
});
