//! Random forgeries: any result but a panic.

use std::path::Path;

use elman_index::{FlatStore, VectorStore};
use proptest::{collection::vec, prelude::*};

use crate::victim::Victim;

/// Replaces `length` bytes at `start` by others.
fn splice(bytes: &[u8], (start, length, patch): &(prop::sample::Index, usize, Vec<u8>)) -> Vec<u8> {
    let start = start.index(bytes.len());
    let end = (start + length).min(bytes.len());
    [&bytes[..start], patch, &bytes[end..]].concat()
}

fn opens_or_says_why(folder: &Path) {
    match FlatStore::open_read_only(folder) {
        Ok(store) => {
            let hits = store.search(&vec![1.0; store.d_embed()], 10).unwrap();
            assert_eq!(hits.len(), store.count().unwrap());
        }
        Err(error) => assert_eq!(error.to_string().lines().count(), 1, "{error}"),
    }
}

proptest! {
    #[test]
    fn no_forgery_panics(
        file in prop::sample::select(vec!["vectors", "entries"]),
        patches in vec((any::<prop::sample::Index>(), 0usize..6, vec(any::<u8>(), 0..6)), 1..4),
    ) {
        let victim = Victim::new();
        let forged = patches.iter().fold(victim.bytes(file), |bytes, patch| {
            if bytes.is_empty() { bytes } else { splice(&bytes, patch) }
        });
        victim.forge(file, forged);
        opens_or_says_why(victim.0.path());
    }

    #[test]
    fn no_manifest_panics(
        field in prop::sample::select(vec!["version", "generation", "d_embed", "count"]), value: u64,
    ) {
        let victim = Victim::new();
        victim.set(field, value);
        opens_or_says_why(victim.0.path());
    }
}
