//! `elman index` makes a store as its folders are.

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use assert_cmd::Command;
use common::Place;
use elman::index::{Entry, LocalStore, VectorStore};
use serde_json::{Value, json};

/// A place with some notes, and without anything else.
fn notes() -> Place {
    let place = Place::new();
    fs::remove_file(place.path("text.txt")).unwrap();
    fs::create_dir(place.path("notes")).unwrap();
    place.write("notes/garden.md", "tomatoes want sun and water\n");
    place.write("notes/harbour.md", "the tide tables of the harbour\nboats leave at noon\n");
    place.write("notes/roof.md", "the invoice of the roof is due in May\n");
    place
}

/// The counts of a report: indexed, unchanged, moved, removed, entries.
fn counts(report: &Value) -> [u64; 5] {
    ["indexed", "unchanged", "moved", "removed", "entries"].map(|name| report[name].as_u64().unwrap())
}

fn index(place: &Place, arguments: &str) -> [u64; 5] {
    let answer = place.run(&format!("index {arguments} --json"));
    answer.succeeds();
    counts(&answer.json())
}

/// Ids and texts of all entries.
fn entries(store: &Path) -> BTreeSet<(String, String)> {
    let mut entries = BTreeSet::new();
    let store = LocalStore::open_read_only(store).unwrap();
    let mut add = |entry: Entry| {
        entries.insert((entry.id, entry.text));
    };
    store.visit(None, &mut add).unwrap();
    entries
}

fn ids(store: &Path) -> Vec<String> {
    entries(store).into_iter().map(|(id, _)| id).collect()
}

/// Asserts that a store has the texts, vectors and metadata of one that is made now from nothing.
#[track_caller]
fn is_as_new(place: &Place, arguments: &str) {
    let all = |store: &str| {
        let mut all = BTreeSet::new();
        let store = LocalStore::open_read_only(place.path(store)).unwrap();
        let bits = |vector: Vec<f32>| vector.into_iter().map(|value| format!("{value:.5}")).collect::<String>();
        let mut add = |entry: Entry| {
            all.insert((entry.id, entry.text, bits(entry.vector), json!(entry.metadata).to_string()));
        };
        store.visit(None, &mut add).unwrap();
        all
    };
    let _ = fs::remove_dir_all(place.path("new"));
    place.run(&format!("index {arguments} --store new"));
    assert_eq!(all("store"), all("new"));
}

#[test]
fn what_is_gone_from_a_folder_is_gone_from_the_store() {
    let place = notes();
    assert_eq!(index(&place, "notes --store store"), [4, 0, 0, 0, 4]);
    fs::remove_file(place.path("notes/roof.md")).unwrap();
    fs::rename(place.path("notes/garden.md"), place.path("notes/plants.md")).unwrap();
    place.write("notes/harbour.md", "");
    assert_eq!(index(&place, "notes --store store"), [0, 1, 1, 4, 1]);
    assert_eq!(ids(&place.path("store")), ["notes/plants.md:1"]);

    // a folder in it, a file in place of a folder, and a file that is no text any more
    fs::create_dir_all(place.path("notes/a/b")).unwrap();
    place.write("notes/a/b/c.md", "deep water\n");
    place.write("notes/d.md", "shallow water\n");
    assert_eq!(index(&place, "notes --store store"), [2, 1, 0, 0, 3]);
    fs::remove_dir_all(place.path("notes/a")).unwrap();
    place.write("notes/a", "no folder\n");
    place.write("notes/d.md", "shallow\0water\n");
    assert_eq!(index(&place, "notes --store store"), [1, 1, 0, 2, 2]);
    assert_eq!(ids(&place.path("store")), ["notes/a:1", "notes/plants.md:1"]);

    // a file that is named says nothing of others
    place.write("notes/a", "still no folder\n");
    assert_eq!(index(&place, "notes/a --store store"), [1, 0, 0, 0, 2]);
    place.write("notes/a", "");
    assert_eq!(index(&place, "notes/a --store store"), [0, 0, 0, 1, 1]);
    place.run("index notes/a --store store").fails(1, "'notes/a' is empty");
    // nor does a folder that is not there, or is empty as if its disk were not
    fs::remove_dir_all(place.path("notes")).unwrap();
    place.run("index notes --store store").fails(1, "cannot read 'notes'");
    fs::create_dir(place.path("notes")).unwrap();
    let answer = place.run("index notes --store store");
    answer.fails(1, "the folder 'notes' has no files, and the store has entries of 1 texts in it");
    assert_eq!(ids(&place.path("store")), ["notes/plants.md:1"]);
    let stderr = answer.stderr();
    let (_, command) = stderr.trim_end().split_once("To remove them: elman ").unwrap();
    let elman = assert_cmd::cargo::cargo_bin!("elman").display().to_string();
    let mut delete = Command::new("sh");
    delete.current_dir(place.path(".")).args(["-c", &format!("{elman} {command}")]).assert().success();
    assert!(ids(&place.path("store")).is_empty());
}

#[test]
fn a_folder_is_the_same_however_it_is_spelled() {
    let place = notes();
    assert_eq!(index(&place, "notes --store store"), [4, 0, 0, 0, 4]);
    let whole = place.path("notes").display().to_string();
    for spelled in ["./notes", "notes/", "notes/../notes", "notes/.", &whole, "notes notes/garden.md ./notes"] {
        assert_eq!(index(&place, &format!("{spelled} --store store")), [0, 4, 0, 0, 4], "{spelled}");
    }
    let from = |folder: &str, arguments: &[&str]| {
        let mut command = Command::cargo_bin("elman").unwrap();
        let all = ["index"].iter().chain(arguments).chain(&["--json"]);
        let output = command.current_dir(place.path(folder)).args(all).output().unwrap();
        counts(&serde_json::from_slice(&output.stdout).unwrap())
    };
    assert_eq!(from("notes", &[".", "--store", "../store"]), [0, 4, 0, 0, 4]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(place.path("notes"), place.path("link")).unwrap();
        assert_eq!(index(&place, "link --store store"), [0, 4, 0, 0, 4]);
        assert_eq!(index(&place, "link/roof.md --store store"), [0, 1, 0, 0, 4]);
    }
    // what is new is called as the rest is
    place.write("notes/new.md", "a new note\n");
    assert_eq!(index(&place, "./notes/ --store store"), [1, 4, 0, 0, 5]);
    assert!(ids(&place.path("store")).contains(&"notes/new.md:1".into()));
    // a folder that is called so and is another
    fs::create_dir_all(place.path("other/notes")).unwrap();
    place.write("other/notes/roof.md", "another roof\n");
    assert_eq!(from("other", &["notes", "--store", "../store"]), [1, 0, 0, 0, 6]);
    assert_eq!(from("other", &["notes", "--store", "../store"]), [0, 1, 0, 0, 6]);
    assert_eq!(index(&place, "notes --store store"), [0, 5, 0, 0, 6]);
}

/// Indexes a path in a folder of the place, into the place's store.
fn index_from(place: &Place, folder: &str, path: &str) -> [u64; 5] {
    let mut command = Command::cargo_bin("elman").unwrap();
    let store = place.path("store");
    command.current_dir(place.path(folder)).args(["index", path, "--json", "--store"]).arg(store);
    let output = command.output().unwrap();
    counts(&serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn two_folders_of_one_name_keep_their_entries() {
    let place = notes();
    for folder in ["a", "b"] {
        fs::create_dir_all(place.path(folder).join("notes")).unwrap();
        place.write(&format!("{folder}/notes/garden.md"), format!("the garden of {folder}\n"));
        place.write(&format!("{folder}/notes/roof.md"), format!("the roof of {folder}\n"));
    }
    assert_eq!(index_from(&place, "a", "notes"), [2, 0, 0, 0, 2]);
    // what is gone from the first is no part of the second
    fs::remove_file(place.path("a/notes/roof.md")).unwrap();
    assert_eq!(index_from(&place, "b", "notes"), [2, 0, 0, 0, 4]);
    let texts: Vec<String> = entries(&place.path("store")).into_iter().map(|(_, text)| text).collect();
    assert!(texts.contains(&"the garden of a".into()) && texts.contains(&"the garden of b".into()), "{texts:?}");
    assert_eq!(index_from(&place, "a", "notes"), [0, 1, 0, 1, 3]);
    // nor is what is not there at all, as where a disk is missing
    fs::rename(place.path("a"), place.path("gone")).unwrap();
    fs::remove_dir_all(place.path("b/notes")).unwrap();
    fs::create_dir_all(place.path("c/notes")).unwrap();
    place.write("c/notes/other.md", "another note\n");
    assert_eq!(index_from(&place, "c", "notes"), [1, 0, 0, 0, 4]);
}

#[test]
fn a_file_does_not_take_the_name_of_another() {
    let place = notes();
    fs::create_dir_all(place.path("b")).unwrap();
    place.write("b/roof.md", "the other roof\n");
    assert_eq!(index_from(&place, "b", "roof.md"), [1, 0, 0, 0, 1]);
    assert_eq!(index_from(&place, "notes", "garden.md"), [1, 0, 0, 0, 2]);
    assert_eq!(index_from(&place, ".", "notes"), [3, 1, 0, 0, 5]);
    assert!(entries(&place.path("store")).contains(&("roof.md:1".into(), "the other roof".into())));
}

#[test]
fn a_folder_that_was_moved_with_all_that_is_in_it_is_the_same() {
    let place = notes();
    fs::create_dir(place.path("here")).unwrap();
    fs::rename(place.path("notes"), place.path("here/notes")).unwrap();
    let from = |folder: &str| {
        let mut command = Command::cargo_bin("elman").unwrap();
        let arguments = ["index", "notes", "--store", "store", "--json"];
        let output = command.current_dir(place.path(folder)).args(arguments).output().unwrap();
        counts(&serde_json::from_slice(&output.stdout).unwrap())
    };
    assert_eq!(from("here"), [4, 0, 0, 0, 4]);
    fs::rename(place.path("here"), place.path("there")).unwrap();
    fs::remove_file(place.path("there/notes/roof.md")).unwrap();
    assert_eq!(from("there"), [0, 3, 0, 1, 3]);
    assert_eq!(from("there"), [0, 3, 0, 0, 3]);
}

#[test]
fn a_store_without_paths_stays_usable() {
    let place = notes();
    place.run("index notes --store store").succeeds();
    let mut store = LocalStore::open(place.path("store")).unwrap();
    let mut old = Vec::new();
    store.visit(None, &mut |entry| old.push(entry)).unwrap();
    for entry in &mut old {
        entry.metadata.as_mut().unwrap().remove("canonical_path").unwrap();
    }
    store.upsert(old).unwrap();
    drop(store);
    fs::remove_file(place.path("notes/roof.md")).unwrap();
    assert_eq!(index(&place, "./notes --store store"), [0, 3, 0, 1, 3]);
    is_as_new(&place, "notes");
}

#[test]
fn texts_that_move_keep_their_vectors() {
    let place = notes();
    let lines = |range: std::ops::Range<usize>| range.map(|n| format!("line {n} of the harbour\n")).collect::<String>();
    place.write("a.txt", lines(0..700));
    assert_eq!(index(&place, "a.txt --store store"), [700, 0, 0, 0, 700]);
    place.write("a.txt", "one new line\n".to_owned() + &lines(0..700));
    let answer = place.run("index a.txt --store store");
    assert!(answer.stderr().contains("1 text indexed, 700 unchanged (moved); store has 701"), "{}", answer.stderr());
    is_as_new(&place, "a.txt");
    // lines that go, and blocks that change places
    place.write("a.txt", lines(500..700) + &lines(10..500));
    assert_eq!(index(&place, "a.txt --store store"), [0, 690, 690, 11, 690]);
    is_as_new(&place, "a.txt");
    place.write("a.txt", lines(500..700) + &lines(10..300) + "here\n" + &lines(301..500));
    assert_eq!(index(&place, "a.txt --store store"), [1, 689, 0, 0, 690]);
    // a copy is a new text, though its vector is known
    place.write("notes/copy.md", "tomatoes want sun and water\n");
    place.run("index notes --store other").succeeds();
    place.write("notes/copy2.md", "tomatoes want sun and water\n");
    assert_eq!(index(&place, "notes --store other"), [1, 5, 0, 0, 6]);
    // a text without a vector takes nothing's place
    place.write("a.txt", "\u{e000}\n".to_owned() + &lines(10..20));
    assert_eq!(index(&place, "a.txt --store store"), [0, 10, 10, 680, 10]);
    is_as_new(&place, "a.txt");
}

#[test]
fn rows_of_tables_move_too() {
    let place = notes();
    let table = "index films.csv more.csv --text-column plot --id-column title --metadata year --store store --json";
    place.write("films.csv", "title,plot,year\nHeat,a thief and a cop,1995\nRififi,a heist in Paris,1955\n");
    place.write("more.csv", "title,plot,year\nAlien,a thing in a ship,1979\n");
    assert_eq!(counts(&place.run(table).json()), [3, 0, 0, 0, 3]);
    // into another file, with another year, and under another id
    place.write("films.csv", "title,plot,year\nHEAT,a thief and a cop,1996\n");
    place.write("more.csv", "title,plot,year\nAlien,a thing in a ship,1980\nRififi,a heist in Paris,1955\n");
    let report = place.run(table).json();
    assert_eq!(counts(&report), [0, 3, 1, 1, 3]);
    is_as_new(&place, table.trim_start_matches("index ").trim_end_matches(" --store store --json"));
    assert_eq!(ids(&place.path("store")), ["Alien", "HEAT", "Rififi"]);
}

#[test]
fn one_bad_file_of_a_folder_is_left_out() {
    let place = notes();
    let lines: Vec<u8> = (0..900).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    place.write("notes/long.md", &lines);
    assert_eq!(index(&place, "notes --store store"), [904, 0, 0, 0, 904]);
    // bad at its end: nothing of it is new, and what was there stays
    place.write("notes/long.md", [b"a new line\n", &lines[..], b"caf\xe9\n"].concat());
    place.write("notes/table.csv", "date,amount\n2024-01-01,12\n");
    place.write("notes/zoo.md", "the zoo opens at nine\n");
    let answer = place.run("index notes --store store --json");
    let report = answer.json();
    assert_eq!(counts(&report), [1, 4, 0, 0, 905]);
    let failed: Vec<&str> = report["failed"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(failed, ["notes/long.md", "notes/table.csv"]);
    assert!(!entries(&place.path("store")).iter().any(|(_, text)| text == "a new line"));
    let stderr = answer.stderr();
    assert!(
        stderr.contains("note: left out: 'notes/long.md' is not UTF-8 text: invalid bytes at offset 8004, line 902"),
        "{stderr}"
    );
    assert!(stderr.contains("note: left out: 'notes/table.csv'"), "{stderr}");
    assert!(stderr.ends_with("2 files could not be read and were left out\n"), "{stderr}");
    Command::cargo_bin("elman")
        .unwrap()
        .current_dir(place.path("."))
        .args(["index", "notes", "--store", "store"])
        .assert()
        .code(1);
    // what is named is an error, and nothing is written
    place.run("index notes/zoo.md notes/long.md --store other").fails(1, "'notes/long.md' is not UTF-8");
    place.run("index notes notes/table.csv --store other").fails(1, "'notes/table.csv'");
    place.run("index notes nowhere --store other").fails(1, "'nowhere'");
    assert!(!place.path("other").exists());
    // ids of two texts are those of neither file, found or named
    place.write("notes/table.csv", "text,id\na,1\nb,1\n");
    fs::remove_file(place.path("notes/long.md")).unwrap();
    let answer = place.run("index notes --id-column id --store store --json");
    assert!(answer.stderr().contains("'notes/table.csv', line 3: the id '1'"), "{}", answer.stderr());
    assert_eq!(counts(&answer.json()), [0, 5, 0, 900, 5]);
}

#[cfg(unix)]
#[test]
fn what_cannot_be_opened_is_left_out() {
    use std::os::unix::fs::symlink;

    let place = notes();
    place.run("index notes --store store").succeeds();
    fs::remove_file(place.path("notes/roof.md")).unwrap();
    symlink(place.path("notes/roof.md"), place.path("notes/roof.md")).unwrap();
    let answer = place.run("index notes --store store --json");
    assert_eq!(counts(&answer.json()), [0, 3, 0, 0, 4], "its entry stays");
    assert_eq!(answer.json()["failed"][0]["file"], "notes/roof.md");
    assert!(answer.stderr().contains("note: left out: 'notes/roof.md' cannot be read: "), "{}", answer.stderr());
    // a pipe is no file, and nobody waits for it
    let pipe = std::process::Command::new("mkfifo").arg(place.path("notes/pipe")).status().unwrap();
    assert!(pipe.success());
    assert_eq!(place.run("index notes --store store --json").json()["passed_over"], json!({"no regular file": 1}));
    place.run("index notes/pipe --store store").fails(1, "cannot read 'notes/pipe': it is a pipe, not a regular file");
}

#[test]
fn files_that_are_passed_over_are_counted_and_named() {
    let place = notes();
    place.write("notes/.gitignore", "*.log\n");
    place.write("notes/a.log", "one of many lines\n");
    place.write("notes/picture.png", b"\x89PNG\0");
    fs::create_dir_all(place.path("notes/node_modules/x")).unwrap();
    place.write("notes/node_modules/x/readme.md", "vendored\n");
    let answer = place.run("index notes --store store --json");
    let expected = json!({"hidden": 1, "ignored": 2, "binary": 1});
    assert_eq!((&answer.json()["passed_over"], counts(&answer.json())), (&expected, [4, 0, 0, 0, 4]));
    let answer = place.run("index notes --store store --verbose");
    answer.succeeds();
    let stderr = answer.stderr();
    assert!(stderr.contains("passed over: 'notes/node_modules/' (ignored)\n"), "{stderr}");
    assert!(stderr.contains("4 passed over (1 binary, 1 hidden, 2 ignored)\n"), "{stderr}");
    let named = place.run("index notes --store store --verbose --json").json();
    assert_eq!(named["passed_over_files"][3], json!({"file": "notes/picture.png", "reason": "binary"}));

    assert_eq!(index(&place, "notes --store store --no-ignore"), [2, 4, 0, 0, 6]);
    // what is passed over is removed
    assert_eq!(index(&place, "notes --store store --exclude h*.md --exclude roof.md"), [0, 1, 0, 5, 1]);
    assert_eq!(index(&place, "notes --store store --hidden-files"), [4, 1, 0, 0, 5]);
    place.run("index notes --store store --exclude {a").fails(2, "'{a' is no pattern of names");
    // training and evaluation find the same files
    let train = "train notes --out model --tokens char --embed 4 --hidden 8 --layers 1 --batch 2 --bptt 8 --epochs 1";
    let answer = place.run(train);
    answer.succeeds();
    assert!(answer.stderr().contains("note: 4 passed over (1 binary, 1 hidden, 2 ignored)\n"), "{}", answer.stderr());
    let tokens =
        |options: &str| place.run(&format!("eval notes --model model --json {options}")).json()["tokens"].clone();
    assert!(tokens("").as_u64() > tokens("--exclude h*.md").as_u64());
    place.run("index notes --store other --exclude *").fails(1, "has no text files");
}

#[test]
fn a_folder_with_models_and_the_store_itself_is_indexed_without_them() {
    let place = Place::new();
    place.train();
    place.run("embed text.txt -o vectors.jsonl").succeeds();
    assert_eq!(index(&place, ". --store store"), [60, 0, 0, 0, 60]);
    place.run("store clusters store -k 2 --out clusters.csv").succeeds();
    place.run("store map store -o map.html").succeeds();
    let answer = place.run("index . --store store");
    answer.succeeds();
    assert!(answer.stderr().contains("0 texts indexed, 60 unchanged; store has 60 entries"), "{}", answer.stderr());
    assert!(answer.stderr().contains("elman's own are './clusters.csv', './map.html', './model/README.md', …"));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_told_apart() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let place = notes();
    for name in [&b"notes/caf\xe9.txt"[..], b"notes/caf\xe8.txt"] {
        fs::write(place.path(".").join(OsStr::from_bytes(name)), "a text\n").unwrap();
    }
    assert_eq!(index(&place, "notes --store store"), [6, 0, 0, 0, 6]);
    assert_eq!(index(&place, "./notes --store store"), [0, 6, 0, 0, 6]);
    let ids = ids(&place.path("store"));
    assert_eq!(ids[..2], ["notes/caf\\xE8.txt:1", "notes/caf\\xE9.txt:1"]);
    fs::remove_file(place.path(".").join(OsStr::from_bytes(b"notes/caf\xe9.txt"))).unwrap();
    assert_eq!(index(&place, "notes --store store"), [0, 5, 0, 1, 5]);
}
