//! The model directory has the files that `elman encoder export` writes.

use std::fs;

#[test]
fn the_python_module_equals_the_exported_one() {
    let exported = "../../crates/elman-embedding/python/elman_encoder.py";
    assert_eq!(fs::read_to_string("elman_encoder.py").unwrap(), fs::read_to_string(exported).unwrap());
}
