//! Files that are not what was written.

use std::fs;

use elman_index::{FlatStore, VectorStore};

use crate::{
    common::{assert_holds, entry},
    victim::{COUNT, Victim, check},
};

#[test]
fn a_file_that_is_missing() {
    for (file, name) in [("vectors", "vectors-2.safetensors"), ("entries", "entries-2.jsonl")] {
        let expected =
            format!("'DIR/{name}' is missing: the store is incomplete, restore it from a copy or make it anew");
        check(|v| fs::remove_file(v.path(file)).unwrap(), &expected);
    }
}

#[test]
fn a_file_cut_off_anywhere_or_with_more_at_its_end() {
    let victim = Victim::new();
    for (file, name) in [("vectors", "vectors-2.safetensors"), ("entries", "entries-2.jsonl")] {
        let whole = victim.bytes(file);
        let longer = [&whole[..], b"\n"].concat();
        for length in (0..whole.len()).chain([longer.len()]) {
            victim.write(file, &longer[..length]);
            let expected = format!(
                "'DIR/{name}' has {length} bytes, not {}: it is damaged, restore it from a copy or make the store anew",
                whole.len()
            );
            assert_eq!(victim.error(), expected);
        }
        victim.write(file, whole);
    }
    let whole = victim.bytes("store.json");
    // The last two bytes are the closing brace and a line break.
    for length in 0..whole.len() - 1 {
        victim.write("store.json", &whole[..length]);
        assert!(victim.error().starts_with("'DIR/store.json' is damaged, or not a store's: "));
    }
}

#[test]
fn a_flipped_bit_anywhere() {
    let victim = Victim::new();
    for (file, name) in [("vectors", "vectors-2.safetensors"), ("entries", "entries-2.jsonl")] {
        let whole = victim.bytes(file);
        for position in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[position] ^= 1 << (position % 8);
            victim.write(file, &flipped);
            let expected = format!(
                "'DIR/{name}' has the checksum {:08x}, not {:08x}: it is damaged, restore it from a copy or make the \
                 store anew",
                crc32fast::hash(&flipped),
                crc32fast::hash(&whole)
            );
            assert_eq!(victim.error(), expected);
        }
        victim.write(file, whole);
    }
    // store.json has no checksum: a flipped letter of the model's name is another name. What opens is whole.
    let whole = victim.bytes("store.json");
    for position in 0..8 * whole.len() {
        let mut flipped = whole.clone();
        flipped[position / 8] ^= 1 << (position % 8);
        victim.write("store.json", &flipped);
        if let Ok(store) = FlatStore::open_read_only(victim.0.path()) {
            assert_holds(&store, COUNT);
        }
    }
}

#[test]
fn damage_is_undone_by_restoring_the_file() {
    let victim = Victim::new();
    let whole = victim.bytes("vectors");
    victim.write("vectors", "");
    victim.error();
    victim.write("vectors", whole);
    let mut store = FlatStore::open(victim.0.path()).unwrap();
    store.upsert(vec![entry(COUNT)]).unwrap();
    store.flush().unwrap();
    drop(store);
    assert_holds(&FlatStore::open(victim.0.path()).unwrap(), COUNT + 1);
}
