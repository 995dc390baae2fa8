//! Vectors whose size and checksum fit, and nothing else.

use safetensors::Dtype;

use crate::{
    common,
    victim::{COUNT, Victim, check},
};

#[test]
fn vectors_with_a_header_that_is_too_long() {
    let forge = |length: u64| move |v: &Victim| v.forge("vectors", [&length.to_le_bytes()[..], &[b' '; 100]].concat());
    for length in [101, u64::MAX] {
        let expected = format!(
            "'DIR/vectors-2.safetensors' has a header of {length} bytes, where at most 100 are possible: it is not a \
             store's"
        );
        check(forge(length), &expected);
    }
    let large = [&70_000u64.to_le_bytes()[..], &[b' '; 80_000]].concat();
    let expected = "'DIR/vectors-2.safetensors' has a header of 70000 bytes, where at most 65536 are possible: it is \
                    not a store's";
    check(|v| v.forge("vectors", &large), expected);
    check(|v| v.forge("vectors", [0; 7]), "'DIR/vectors-2.safetensors' has 7 bytes, but its header makes it 8");
}

#[test]
fn vectors_with_a_header_that_is_no_header() {
    let forge = |header: &'static str| {
        move |v: &Victim| {
            let numbers = [0; 4 * COUNT * common::D_EMBED];
            v.forge("vectors", [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &numbers].concat());
        }
    };
    let expected = "'DIR/vectors-2.safetensors' is not a safetensors file: …";
    check(forge(""), expected);
    check(forge("[]"), expected);
    check(forge(r#"{"vectors": {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 47]}}"#), expected);
    check(forge(r#"{"vectors": {"dtype": "F32", "shape": [4, 3], "data_offsets": [8, 56]}}"#), expected);
    check(
        forge(r#"{"vectors": {"dtype": "F32", "shape": [4611686018427387904, 4], "data_offsets": [0, 0]}}"#),
        expected,
    );
}

#[test]
fn vectors_that_are_another_tensor() {
    let shape = [COUNT, common::D_EMBED];
    check(
        |v| v.forge_tensors(&[("weight", Dtype::F32, &shape)]),
        r#"'DIR/vectors-2.safetensors' must have one tensor, 'vectors', and has ["weight"]"#,
    );
    check(
        |v| v.forge_tensors(&[("vectors", Dtype::F32, &shape), ("more", Dtype::F32, &[1])]),
        r#"'DIR/vectors-2.safetensors' must have one tensor, 'vectors', and has ["more", "vectors"]"#,
    );
    check(
        |v| v.forge_tensors(&[("vectors", Dtype::F64, &shape)]),
        "the vectors in 'DIR/vectors-2.safetensors' are F64, not F32",
    );
    for found in [&[COUNT + 1, 3][..], &[3, COUNT], &[12], &[COUNT, 3, 1]] {
        let expected = format!(
            "the vectors in 'DIR/vectors-2.safetensors' have the shape {found:?}, not [4, 3] as store.json says"
        );
        check(|v| v.forge_tensors(&[("vectors", Dtype::F32, found)]), &expected);
    }
    check(
        |v| v.set("count", u64::MAX),
        "the vectors in 'DIR/vectors-2.safetensors' have the shape [4, 3], not [18446744073709551615, 3] as store.json \
         says",
    );
}

#[test]
fn vectors_that_claim_more_numbers_than_the_file_has() {
    // Shape and offsets agree with each other and with store.json: only the file is too short for them.
    for count in [5, (1 << 58) / 3] {
        let victim = Victim::new();
        let bytes = 12 * count;
        let header = format!(r#"{{"vectors":{{"dtype":"F32","shape":[{count},3],"data_offsets":[0,{bytes}]}}}}"#);
        victim.forge("vectors", [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 48]].concat());
        victim.set("count", count);
        let expected = format!(
            "'DIR/vectors-2.safetensors' has {} bytes, but its header makes it {}",
            8 + header.len() + 48,
            8 + header.len() as u64 + bytes
        );
        assert_eq!(victim.error(), expected);
    }
    let longer = |v: &Victim| v.forge("vectors", [v.bytes("vectors"), vec![0; 4]].concat());
    check(longer, "'DIR/vectors-2.safetensors' has 124 bytes, but its header makes it 120");
}

#[test]
fn vectors_that_are_not_finite() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let damage = |v: &Victim| {
            let mut bytes = v.bytes("vectors");
            // The last number but one.
            let at = bytes.len() - 8;
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
            v.forge("vectors", bytes);
        };
        let expected =
            format!("vector 3 in 'DIR/vectors-2.safetensors' is {value} at position 1: every value must be finite");
        check(damage, &expected);
    }
}
