//! The directory is what `elman encoder export` writes.

use std::fs;

#[test]
fn what_python_reads_is_what_an_export_writes() {
    let exported = "../../crates/elman-embedding/python/elman_encoder.py";
    assert_eq!(fs::read_to_string("elman_encoder.py").unwrap(), fs::read_to_string(exported).unwrap());
}
