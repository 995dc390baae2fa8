//! The directory is what `elman encoder export` writes.

use std::{fs, path::Path};

#[test]
fn what_python_reads_is_what_an_export_writes() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let exported = here.join("../../crates/elman-embedding/python/elman_encoder.py");
    assert_eq!(fs::read_to_string(here.join("elman_encoder.py")).unwrap(), fs::read_to_string(exported).unwrap());
}
