//! Corrupted files: every answer of a store is correct, or an error.
//!
//! `ELMAN_MUTANTS` sets the number of randomly damaged files, `ELMAN_SEED` the seed.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
};

use common::{assert_holds, create, entry};
use elman_index::{Entry, Hit, IndexError, LocalStore, VectorStore};
use elman_testkit::Mutants;
use serde_json::{Value, json};

const COUNT: usize = 60;

/// Creates a store with long texts and many deleted entries, so that it has all kinds of pages.
fn create_store(folder: &Path) -> PathBuf {
    let mut store = create(folder, COUNT);
    assert_holds(&store, COUNT);
    let long = |n: usize| Entry { text: format!("long {n} ").repeat(1200 + 700 * n), ..entry(n) };
    store.upsert((0..4).map(long).collect()).unwrap();
    let gone: Vec<Entry> = (0..12).map(|n| Entry { id: format!("gone {n}"), ..long(n % 3) }).collect();
    let ids: Vec<String> = gone.iter().map(|entry| entry.id.clone()).collect();
    store.upsert(gone).unwrap();
    store.delete(&ids.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    folder.join("store.sqlite")
}

/// The answers of all ways to read a store, of which a program may use only one.
fn answers(folder: &Path) -> Vec<Result<Value, IndexError>> {
    let shown = |hits: Vec<Hit>| {
        json!(hits.iter().map(|hit| (&hit.id, hit.score, &hit.text, &hit.metadata)).collect::<Vec<_>>())
    };
    let query = [1.0, 2.0, 3.0];
    type Way<'a> = &'a dyn Fn(&LocalStore) -> Result<Value, IndexError>;
    let ways: [Way<'_>; 8] = [
        &|store| Ok(json!((store.count()?, store.fields()?, store.model(), store.metric().name()))),
        &|store| Ok(json!(store.ids(None)?)),
        &|store| {
            let mut all = Vec::new();
            store.visit(None, &mut |entry| all.push(json!((entry.id, entry.vector, entry.text, entry.metadata))))?;
            Ok(json!(all))
        },
        &|store| Ok(shown(store.search(&query, 5)?)),
        &|store| Ok(shown(store.search_where(&query, COUNT, &"number > 17 and not number = 50".parse()?)?)),
        &|store| Ok(shown(store.search_text("text 5 ä long", COUNT, None)?)),
        &|store| Ok(shown(store.search_hybrid("text 7", &query, 9, None)?)),
        &|store| Ok(json!(store.get("id 2")?.map(|entry| (entry.vector, entry.text)))),
    ];
    match LocalStore::open_read_only(folder) {
        Ok(store) => ways.iter().map(|way| way(&store)).collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Asserts that each answer is correct or an error of a damaged store. Returns the number of errors.
fn check(folder: &Path, expected_answers: &[Value], what: &str) -> usize {
    let mut errors = 0;
    for (way, (found, expected)) in answers(folder).into_iter().zip(expected_answers).enumerate() {
        match found {
            Ok(found) => assert!(found == *expected, "{what}: way {way} gives a wrong answer"),
            Err(error @ (IndexError::Damaged { .. } | IndexError::NotAStore { .. } | IndexError::Version { .. })) => {
                assert!(error.to_string().contains(folder.to_str().unwrap()), "{error}");
                errors += 1;
            }
            Err(error) => panic!("{what}: way {way}: {error:?}"),
        }
    }
    errors
}

fn expected_answers(folder: &Path) -> Vec<Value> {
    answers(folder).into_iter().collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_zeroed_block_is_an_error_or_has_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let path = create_store(folder.path());
    let (bytes, expected_answers) = (fs::read(&path).unwrap(), expected_answers(folder.path()));
    for size in [512, 4096, 8192] {
        let mut errors = 0;
        for start in (0..bytes.len()).step_by(size) {
            let mut zeroed = bytes.clone();
            zeroed[start..(start + size).min(bytes.len())].fill(0);
            fs::write(&path, zeroed).unwrap();
            errors += check(folder.path(), &expected_answers, &format!("{size} bytes at {start}"));
        }
        assert!(errors > 50, "{size}: {errors}");
    }
}

#[test]
fn writing_to_a_damaged_store_is_an_error_or_correct() {
    let folder = tempfile::tempdir().unwrap();
    let path = create_store(folder.path());
    let (bytes, expected_answers) = (fs::read(&path).unwrap(), expected_answers(folder.path()));
    let added = entry(COUNT);
    let mut errors = 0;
    for start in (4096..bytes.len()).step_by(8192) {
        let mut zeroed = bytes.clone();
        zeroed[start..start + 4096].fill(0);
        fs::write(&path, &zeroed).unwrap();
        let written = LocalStore::open(folder.path()).and_then(|mut store| {
            store.upsert(vec![added.clone()])?;
            store.delete(&[&added.id])
        });
        match written {
            // the page was not needed, and is still damaged
            Ok(()) => drop(check(folder.path(), &expected_answers, &format!("after writing, {start}"))),
            Err(IndexError::Damaged { .. }) => {
                errors += 1;
                let files = fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path());
                files.filter(|file| *file != path).for_each(|file| fs::remove_file(file).unwrap());
            }
            Err(error) => panic!("{start}: {error:?}"),
        }
    }
    assert!(errors > 5, "{errors}");
}

/// A randomly damaged copy, and a description of the damage.
fn mutant(mutants: &mut Mutants, bytes: &[u8]) -> (Vec<u8>, String) {
    const PAGE: usize = 8192;
    let mut mutant = bytes.to_vec();
    let offset = mutants.below(bytes.len());
    let pages = bytes.len() / PAGE;
    let what = match mutants.below(7) {
        0 => {
            let bit = mutants.below(8);
            mutant[offset] ^= 1 << bit;
            format!("bit {bit} of byte {offset}")
        }
        1 => {
            let length = 1 + mutants.below(3 * PAGE);
            let end = bytes.len().min(offset + length);
            mutant[offset..end].fill(0);
            format!("zeros from {offset} to {end}")
        }
        2 => {
            let length = 1 + mutants.below(64);
            let end = bytes.len().min(offset + length);
            mutant[offset..end].iter_mut().for_each(|byte| *byte = mutants.below(256) as u8);
            format!("noise from {offset} to {end}")
        }
        3 if pages > 1 => {
            let (one, other) = (mutants.below(pages), mutants.below(pages));
            mutant[one * PAGE..][..PAGE].copy_from_slice(&bytes[other * PAGE..][..PAGE]);
            mutant[other * PAGE..][..PAGE].copy_from_slice(&bytes[one * PAGE..][..PAGE]);
            format!("pages {one} and {other} swapped")
        }
        4 if pages > 1 => {
            let (from, to) = (mutants.below(bytes.len() / 512) * 512, mutants.below(bytes.len() / 512) * 512);
            mutant[to..to + 512].copy_from_slice(&bytes[from..from + 512]);
            format!("the sector at {from} copied to {to}")
        }
        5 => {
            mutant.truncate(offset);
            format!("truncated to {offset} bytes")
        }
        _ => {
            let more = mutants.below(2 * PAGE);
            mutant.extend((0..more).map(|_| mutants.below(256) as u8));
            format!("{more} bytes appended")
        }
    };
    (mutant, what)
}

#[test]
fn random_damage_is_an_error_or_has_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    let path = create_store(folder.path());
    let (bytes, expected_answers) = (fs::read(&path).unwrap(), expected_answers(folder.path()));
    let (mut mutants, mut errors) = (Mutants::new(1000), 0);
    for number in 0..mutants.count() {
        let (damaged, what) = mutant(&mut mutants, &bytes);
        fs::write(&path, damaged).unwrap();
        errors += check(folder.path(), &expected_answers, &format!("mutant {number}, {what}")).min(1);
    }
    assert!(errors > mutants.count() / 3, "{errors} of {}", mutants.count());
}

/// The files of a store whose writer was killed: the log has three transactions that are not in the database.
fn files_of_killed_writer(folder: &Path, number: usize) -> Vec<(&'static str, Vec<u8>)> {
    let mut store = create(folder, COUNT);
    drop(store);
    store = LocalStore::open(folder).unwrap();
    (0..3).for_each(|n| store.upsert(vec![entry(COUNT + number + n)]).unwrap());
    let files = ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm"];
    files.map(|name| (name, fs::read(folder.join(name)).unwrap())).to_vec()
}

fn write_files(folder: &Path, files: &[(&str, Vec<u8>)]) {
    for name in ["store.sqlite-wal", "store.sqlite-shm"] {
        let _ = fs::remove_file(folder.join(name));
    }
    files.iter().for_each(|(name, bytes)| fs::write(folder.join(name), bytes).unwrap());
}

#[test]
fn a_damaged_log_is_an_error_or_loses_only_the_last_transaction() {
    let [first, second, folder] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let (files, others, folder) =
        (files_of_killed_writer(first.path(), 0), files_of_killed_writer(second.path(), 7), folder.path());
    let count =
        || LocalStore::open_read_only(folder).and_then(|store| store.count().inspect(|&n| assert_holds(&store, n)));
    write_files(folder, &files);
    assert_eq!(count().unwrap(), COUNT + 3);
    // only the last transaction may be missing, because its damage looks like an incomplete write
    let log = &files[1].1;
    let (mut errors, mut intact) = (0, 0);
    for start in (0..log.len()).step_by(512) {
        let mut zeroed = log.clone();
        zeroed[start..(start + 512).min(log.len())].fill(0);
        write_files(folder, &[files[0].clone(), ("store.sqlite-wal", zeroed), files[2].clone()]);
        match count() {
            Ok(found) => {
                assert!(found >= COUNT + 2 || start == 0, "{found} entries, zeros at {start}");
                intact += 1;
            }
            Err(error) => {
                assert!(matches!(error, IndexError::Damaged { .. }), "{error:?}");
                errors += 1;
            }
        }
    }
    assert!(errors > 5 && intact > 5, "{errors} and {intact}");
    for length in (0..log.len()).step_by(5000) {
        write_files(folder, &[files[0].clone(), ("store.sqlite-wal", log[..length].to_vec())]);
        assert!((COUNT..=COUNT + 3).contains(&count().unwrap()), "{length} bytes");
    }
    write_files(folder, &[files[0].clone(), others[1].clone(), others[2].clone()]);
    let error = count().unwrap_err();
    assert!(matches!(error, IndexError::Damaged { .. }) && error.to_string().contains("another"), "{error}");
    // the shared-memory file is rebuilt
    let shared = &files[2].1;
    for shared in [vec![0; shared.len()], shared[..100].to_vec(), others[2].1.clone(), vec![0xa5; shared.len()]] {
        write_files(folder, &[files[0].clone(), files[1].clone(), ("store.sqlite-shm", shared)]);
        assert_eq!(count().unwrap(), COUNT + 3);
    }
}
