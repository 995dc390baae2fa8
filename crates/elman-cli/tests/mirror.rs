//! `elman index` updates a store to match its directories.

mod common;

use std::{collections::BTreeSet, fs, path::Path};

use assert_cmd::Command;
use common::TestDir;
use elman::index::{Entry, LocalStore, VectorStore};
use serde_json::{Value, json};

/// A directory with some notes and nothing else.
fn notes() -> TestDir {
    let dir = TestDir::new();
    fs::remove_file(dir.path("text.txt")).unwrap();
    fs::create_dir(dir.path("notes")).unwrap();
    dir.write("notes/garden.md", "tomatoes want sun and water\n");
    dir.write("notes/harbour.md", "the tide tables of the harbour\nboats leave at noon\n");
    dir.write("notes/roof.md", "the invoice of the roof is due in May\n");
    dir
}

/// The counts of a report: indexed, unchanged, moved, removed, entries.
fn counts(report: &Value) -> [u64; 5] {
    ["indexed", "unchanged", "moved", "removed", "entries"].map(|name| report[name].as_u64().unwrap())
}

fn index(dir: &TestDir, arguments: &str) -> [u64; 5] {
    let result = dir.run(&format!("index {arguments} --json"));
    result.succeeds();
    counts(&result.json())
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

/// Asserts that a store has the same texts, vectors and metadata as a new one.
#[track_caller]
fn assert_like_new(dir: &TestDir, arguments: &str) {
    let all = |store: &str| {
        let mut all = BTreeSet::new();
        let store = LocalStore::open_read_only(dir.path(store)).unwrap();
        let bits = |vector: Vec<f32>| vector.into_iter().map(|value| format!("{value:.5}")).collect::<String>();
        let mut add = |entry: Entry| {
            all.insert((entry.id, entry.text, bits(entry.vector), json!(entry.metadata).to_string()));
        };
        store.visit(None, &mut add).unwrap();
        all
    };
    let _ = fs::remove_dir_all(dir.path("new"));
    dir.run(&format!("index {arguments} --store new"));
    assert_eq!(all("store"), all("new"));
}

#[test]
fn deleted_files_are_removed_from_the_store() {
    let dir = notes();
    assert_eq!(index(&dir, "notes --store store"), [4, 0, 0, 0, 4]);
    fs::remove_file(dir.path("notes/roof.md")).unwrap();
    fs::rename(dir.path("notes/garden.md"), dir.path("notes/plants.md")).unwrap();
    dir.write("notes/harbour.md", "");
    assert_eq!(index(&dir, "notes --store store"), [0, 1, 1, 4, 1]);
    assert_eq!(ids(&dir.path("store")), ["notes/plants.md:1"]);

    // a subdirectory, a file that replaces a directory, and a file that is no longer text
    fs::create_dir_all(dir.path("notes/a/b")).unwrap();
    dir.write("notes/a/b/c.md", "deep water\n");
    dir.write("notes/d.md", "shallow water\n");
    assert_eq!(index(&dir, "notes --store store"), [2, 1, 0, 0, 3]);
    fs::remove_dir_all(dir.path("notes/a")).unwrap();
    dir.write("notes/a", "no folder\n");
    dir.write("notes/d.md", "shallow\0water\n");
    assert_eq!(index(&dir, "notes --store store"), [1, 1, 0, 2, 2]);
    assert_eq!(ids(&dir.path("store")), ["notes/a:1", "notes/plants.md:1"]);

    // indexing one file does not affect the others
    dir.write("notes/a", "still no folder\n");
    assert_eq!(index(&dir, "notes/a --store store"), [1, 0, 0, 0, 2]);
    dir.write("notes/a", "");
    assert_eq!(index(&dir, "notes/a --store store"), [0, 0, 0, 1, 1]);
    dir.run("index notes/a --store store").fails(1, "'notes/a' is empty");
    // a missing directory, or an empty one, as if its disk were not mounted, removes nothing
    fs::remove_dir_all(dir.path("notes")).unwrap();
    dir.run("index notes --store store").fails(1, "cannot read 'notes'");
    fs::create_dir(dir.path("notes")).unwrap();
    let result = dir.run("index notes --store store");
    result.fails(1, "the directory 'notes' is empty, but the store has 1 entry from it");
    assert_eq!(ids(&dir.path("store")), ["notes/plants.md:1"]);
    let stderr = result.stderr();
    let (_, command) = stderr.trim_end().split_once("To remove them: elman ").unwrap();
    let elman = assert_cmd::cargo::cargo_bin!("elman").display().to_string();
    let mut delete = Command::new("sh");
    delete.current_dir(dir.path(".")).args(["-c", &format!("{elman} {command}")]).assert().success();
    assert!(ids(&dir.path("store")).is_empty());
}

#[test]
fn a_directory_is_recognized_however_it_is_spelled() {
    let dir = notes();
    assert_eq!(index(&dir, "notes --store store"), [4, 0, 0, 0, 4]);
    let whole = dir.path("notes").display().to_string();
    for spelled in ["./notes", "notes/", "notes/../notes", "notes/.", &whole, "notes notes/garden.md ./notes"] {
        assert_eq!(index(&dir, &format!("{spelled} --store store")), [0, 4, 0, 0, 4], "{spelled}");
    }
    let from = |folder: &str, arguments: &[&str]| {
        let mut command = Command::cargo_bin("elman").unwrap();
        let all = ["index"].iter().chain(arguments).chain(&["--json"]);
        let output = command.current_dir(dir.path(folder)).args(all).output().unwrap();
        counts(&serde_json::from_slice(&output.stdout).unwrap())
    };
    assert_eq!(from("notes", &[".", "--store", "../store"]), [0, 4, 0, 0, 4]);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(dir.path("notes"), dir.path("link")).unwrap();
        assert_eq!(index(&dir, "link --store store"), [0, 4, 0, 0, 4]);
        assert_eq!(index(&dir, "link/roof.md --store store"), [0, 1, 0, 0, 4]);
    }
    // a new file is named like the others
    dir.write("notes/new.md", "a new note\n");
    assert_eq!(index(&dir, "./notes/ --store store"), [1, 4, 0, 0, 5]);
    assert!(ids(&dir.path("store")).contains(&"notes/new.md:1".into()));
    // another directory with the same name
    fs::create_dir_all(dir.path("other/notes")).unwrap();
    dir.write("other/notes/roof.md", "another roof\n");
    assert_eq!(from("other", &["notes", "--store", "../store"]), [1, 0, 0, 0, 6]);
    assert_eq!(from("other", &["notes", "--store", "../store"]), [0, 1, 0, 0, 6]);
    assert_eq!(index(&dir, "notes --store store"), [0, 5, 0, 0, 6]);
}

/// Indexes a path from a subdirectory, into the store `store` of the test directory.
fn index_from(dir: &TestDir, folder: &str, path: &str) -> [u64; 5] {
    let mut command = Command::cargo_bin("elman").unwrap();
    let store = dir.path("store");
    command.current_dir(dir.path(folder)).args(["index", path, "--json", "--store"]).arg(store);
    let output = command.output().unwrap();
    counts(&serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}")))
}

#[test]
fn two_directories_of_the_same_name_keep_their_entries() {
    let dir = notes();
    for folder in ["a", "b"] {
        fs::create_dir_all(dir.path(folder).join("notes")).unwrap();
        dir.write(&format!("{folder}/notes/garden.md"), format!("the garden of {folder}\n"));
        dir.write(&format!("{folder}/notes/roof.md"), format!("the roof of {folder}\n"));
    }
    assert_eq!(index_from(&dir, "a", "notes"), [2, 0, 0, 0, 2]);
    // deletions in the first do not affect the second
    fs::remove_file(dir.path("a/notes/roof.md")).unwrap();
    assert_eq!(index_from(&dir, "b", "notes"), [2, 0, 0, 0, 4]);
    let texts: Vec<String> = entries(&dir.path("store")).into_iter().map(|(_, text)| text).collect();
    assert!(texts.contains(&"the garden of a".into()) && texts.contains(&"the garden of b".into()), "{texts:?}");
    assert_eq!(index_from(&dir, "a", "notes"), [0, 1, 0, 1, 3]);
    // nor does a missing directory, as when a disk is not mounted
    fs::rename(dir.path("a"), dir.path("gone")).unwrap();
    fs::remove_dir_all(dir.path("b/notes")).unwrap();
    fs::create_dir_all(dir.path("c/notes")).unwrap();
    dir.write("c/notes/other.md", "another note\n");
    assert_eq!(index_from(&dir, "c", "notes"), [1, 0, 0, 0, 4]);
}

#[test]
fn two_files_never_share_a_name() {
    let dir = notes();
    fs::create_dir_all(dir.path("b")).unwrap();
    dir.write("b/roof.md", "the other roof\n");
    assert_eq!(index_from(&dir, "b", "roof.md"), [1, 0, 0, 0, 1]);
    assert_eq!(index_from(&dir, "notes", "garden.md"), [1, 0, 0, 0, 2]);
    assert_eq!(index_from(&dir, ".", "notes"), [3, 1, 0, 0, 5]);
    assert!(entries(&dir.path("store")).contains(&("roof.md:1".into(), "the other roof".into())));
}

#[test]
fn a_moved_directory_is_recognized() {
    let dir = notes();
    fs::create_dir(dir.path("here")).unwrap();
    fs::rename(dir.path("notes"), dir.path("here/notes")).unwrap();
    let from = |folder: &str| {
        let mut command = Command::cargo_bin("elman").unwrap();
        let arguments = ["index", "notes", "--store", "store", "--json"];
        let output = command.current_dir(dir.path(folder)).args(arguments).output().unwrap();
        counts(&serde_json::from_slice(&output.stdout).unwrap())
    };
    assert_eq!(from("here"), [4, 0, 0, 0, 4]);
    fs::rename(dir.path("here"), dir.path("there")).unwrap();
    fs::remove_file(dir.path("there/notes/roof.md")).unwrap();
    assert_eq!(from("there"), [0, 3, 0, 1, 3]);
    assert_eq!(from("there"), [0, 3, 0, 0, 3]);
}

#[test]
fn a_store_without_canonical_paths_is_updated() {
    let dir = notes();
    dir.run("index notes --store store").succeeds();
    let mut store = LocalStore::open(dir.path("store")).unwrap();
    let mut old = Vec::new();
    store.visit(None, &mut |entry| old.push(entry)).unwrap();
    for entry in &mut old {
        entry.metadata.as_mut().unwrap().remove("canonical_path").unwrap();
    }
    store.upsert(old).unwrap();
    drop(store);
    fs::remove_file(dir.path("notes/roof.md")).unwrap();
    assert_eq!(index(&dir, "./notes --store store"), [0, 3, 0, 1, 3]);
    assert_like_new(&dir, "notes");
}

#[test]
fn moved_texts_keep_their_vectors() {
    let dir = notes();
    let lines = |range: std::ops::Range<usize>| range.map(|n| format!("line {n} of the harbour\n")).collect::<String>();
    dir.write("a.txt", lines(0..700));
    assert_eq!(index(&dir, "a.txt --store store"), [700, 0, 0, 0, 700]);
    dir.write("a.txt", "one new line\n".to_owned() + &lines(0..700));
    let result = dir.run("index a.txt --store store");
    assert!(result.stderr().contains("1 text indexed, 700 unchanged (moved); store has 701"), "{}", result.stderr());
    assert_like_new(&dir, "a.txt");
    // deleted lines, and reordered blocks
    dir.write("a.txt", lines(500..700) + &lines(10..500));
    assert_eq!(index(&dir, "a.txt --store store"), [0, 690, 690, 11, 690]);
    assert_like_new(&dir, "a.txt");
    dir.write("a.txt", lines(500..700) + &lines(10..300) + "here\n" + &lines(301..500));
    assert_eq!(index(&dir, "a.txt --store store"), [1, 689, 0, 0, 690]);
    // a copy counts as new, though its vector is reused
    dir.write("notes/copy.md", "tomatoes want sun and water\n");
    dir.run("index notes --store other").succeeds();
    dir.write("notes/copy2.md", "tomatoes want sun and water\n");
    assert_eq!(index(&dir, "notes --store other"), [1, 5, 0, 0, 6]);
    // a text without a vector does not keep an entry
    dir.write("a.txt", "\u{e000}\n".to_owned() + &lines(10..20));
    assert_eq!(index(&dir, "a.txt --store store"), [0, 10, 10, 680, 10]);
    assert_like_new(&dir, "a.txt");
}

#[test]
fn moved_table_rows_keep_their_vectors() {
    let dir = notes();
    let table = "index films.csv more.csv --text-column plot --id-column title --metadata year --store store --json";
    dir.write("films.csv", "title,plot,year\nHeat,a thief and a cop,1995\nRififi,a heist in Paris,1955\n");
    dir.write("more.csv", "title,plot,year\nAlien,a thing in a ship,1979\n");
    assert_eq!(counts(&dir.run(table).json()), [3, 0, 0, 0, 3]);
    // moved to another file, with another year, and with another id
    dir.write("films.csv", "title,plot,year\nHEAT,a thief and a cop,1996\n");
    dir.write("more.csv", "title,plot,year\nAlien,a thing in a ship,1980\nRififi,a heist in Paris,1955\n");
    let report = dir.run(table).json();
    assert_eq!(counts(&report), [0, 3, 1, 1, 3]);
    assert_like_new(&dir, table.trim_start_matches("index ").trim_end_matches(" --store store --json"));
    assert_eq!(ids(&dir.path("store")), ["Alien", "HEAT", "Rififi"]);
}

#[test]
fn an_invalid_file_in_a_directory_is_skipped() {
    let dir = notes();
    let lines: Vec<u8> = (0..900).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
    dir.write("notes/long.md", &lines);
    assert_eq!(index(&dir, "notes --store store"), [904, 0, 0, 0, 904]);
    // invalid at its end: its new line is not indexed, and its old entries stay
    dir.write("notes/long.md", [b"a new line\n", &lines[..], b"caf\xe9\n"].concat());
    dir.write("notes/table.csv", "date,amount\n2024-01-01,12\n");
    dir.write("notes/zoo.md", "the zoo opens at nine\n");
    let result = dir.run("index notes --store store --json");
    let report = result.json();
    assert_eq!(counts(&report), [1, 4, 0, 0, 905]);
    let failed: Vec<&str> = report["failed"].as_array().unwrap().iter().map(|f| f["file"].as_str().unwrap()).collect();
    assert_eq!(failed, ["notes/long.md", "notes/table.csv"]);
    assert!(!entries(&dir.path("store")).iter().any(|(_, text)| text == "a new line"));
    let stderr = result.stderr();
    assert!(
        stderr.contains("note: skipped: 'notes/long.md' is not UTF-8 text: invalid bytes at offset 8004, line 902"),
        "{stderr}"
    );
    assert!(stderr.contains("note: skipped: 'notes/table.csv'"), "{stderr}");
    assert!(stderr.ends_with("2 unreadable files were skipped\n"), "{stderr}");
    Command::cargo_bin("elman")
        .unwrap()
        .current_dir(dir.path("."))
        .args(["index", "notes", "--store", "store"])
        .assert()
        .code(1);
    // an invalid file on the command line is an error, and nothing is written
    dir.run("index notes/zoo.md notes/long.md --store other").fails(1, "'notes/long.md' is not UTF-8");
    dir.run("index notes notes/table.csv --store other").fails(1, "'notes/table.csv'");
    dir.run("index notes nowhere --store other").fails(1, "'nowhere'");
    assert!(!dir.path("other").exists());
    // a table with a duplicate id is skipped
    dir.write("notes/table.csv", "text,id\na,1\nb,1\n");
    fs::remove_file(dir.path("notes/long.md")).unwrap();
    let result = dir.run("index notes --id-column id --store store --json");
    assert!(result.stderr().contains("'notes/table.csv', line 3: duplicate id '1'"), "{}", result.stderr());
    assert_eq!(counts(&result.json()), [0, 5, 0, 900, 5]);
}

#[cfg(unix)]
#[test]
fn files_that_cannot_be_opened_are_skipped() {
    use std::os::unix::fs::symlink;

    let dir = notes();
    dir.run("index notes --store store").succeeds();
    fs::remove_file(dir.path("notes/roof.md")).unwrap();
    symlink(dir.path("notes/roof.md"), dir.path("notes/roof.md")).unwrap();
    let result = dir.run("index notes --store store --json");
    assert_eq!(counts(&result.json()), [0, 3, 0, 0, 4], "its entry stays");
    assert_eq!(result.json()["failed"][0]["file"], "notes/roof.md");
    assert!(result.stderr().contains("note: skipped: 'notes/roof.md' cannot be read: "), "{}", result.stderr());
    // a pipe is skipped without blocking
    let pipe = std::process::Command::new("mkfifo").arg(dir.path("notes/pipe")).status().unwrap();
    assert!(pipe.success());
    assert_eq!(dir.run("index notes --store store --json").json()["passed_over"], json!({"no regular file": 1}));
    dir.run("index notes/pipe --store store").fails(1, "cannot read 'notes/pipe': it is a pipe, not a regular file");
}

#[test]
fn skipped_files_are_counted_and_listed() {
    let dir = notes();
    dir.write("notes/.gitignore", "*.log\n");
    dir.write("notes/a.log", "one of many lines\n");
    dir.write("notes/picture.png", b"\x89PNG\0");
    fs::create_dir_all(dir.path("notes/node_modules/x")).unwrap();
    dir.write("notes/node_modules/x/readme.md", "vendored\n");
    let result = dir.run("index notes --store store --json");
    let expected = json!({"hidden": 1, "ignored": 2, "binary": 1});
    assert_eq!((&result.json()["passed_over"], counts(&result.json())), (&expected, [4, 0, 0, 0, 4]));
    let result = dir.run("index notes --store store --verbose");
    result.succeeds();
    let stderr = result.stderr();
    assert!(stderr.contains("skipped: 'notes/node_modules/' (ignored)\n"), "{stderr}");
    assert!(stderr.contains("4 skipped (1 binary, 1 hidden, 2 ignored)\n"), "{stderr}");
    let named = dir.run("index notes --store store --verbose --json").json();
    assert_eq!(named["passed_over_files"][3], json!({"file": "notes/picture.png", "reason": "binary"}));

    assert_eq!(index(&dir, "notes --store store --no-ignore"), [2, 4, 0, 0, 6]);
    // entries of skipped files are removed
    assert_eq!(index(&dir, "notes --store store --exclude h*.md --exclude roof.md"), [0, 1, 0, 5, 1]);
    assert_eq!(index(&dir, "notes --store store --hidden-files"), [4, 1, 0, 0, 5]);
    dir.run("index notes --store store --exclude {a").fails(2, "invalid glob '{a'");
    // training and evaluation select the same files
    let train = "train notes --out model --tokens char --embed 4 --hidden 8 --layers 1 --batch 2 --bptt 8 --epochs 1";
    let result = dir.run(train);
    result.succeeds();
    assert!(result.stderr().contains("note: 4 skipped (1 binary, 1 hidden, 2 ignored)\n"), "{}", result.stderr());
    let tokens =
        |options: &str| dir.run(&format!("eval notes --model model --json {options}")).json()["tokens"].clone();
    assert!(tokens("").as_u64() > tokens("--exclude h*.md").as_u64());
    dir.run("index notes --store other --exclude *").fails(1, "has no text files");
}

#[test]
fn models_and_stores_in_a_directory_are_not_indexed() {
    let dir = TestDir::new();
    dir.train();
    dir.run("embed text.txt -o vectors.jsonl").succeeds();
    assert_eq!(index(&dir, ". --store store"), [60, 0, 0, 0, 60]);
    dir.run("store clusters store -k 2 --out clusters.csv").succeeds();
    dir.run("store map store -o map.html").succeeds();
    let result = dir.run("index . --store store");
    result.succeeds();
    assert!(result.stderr().contains("0 texts indexed, 60 unchanged; store has 60 entries"), "{}", result.stderr());
    assert!(result.stderr().contains("written by elman: './clusters.csv', './map.html', './model/README.md', …"));
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_are_distinguished() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let dir = notes();
    for name in [&b"notes/caf\xe9.txt"[..], b"notes/caf\xe8.txt"] {
        fs::write(dir.path(".").join(OsStr::from_bytes(name)), "a text\n").unwrap();
    }
    assert_eq!(index(&dir, "notes --store store"), [6, 0, 0, 0, 6]);
    assert_eq!(index(&dir, "./notes --store store"), [0, 6, 0, 0, 6]);
    let ids = ids(&dir.path("store"));
    assert_eq!(ids[..2], ["notes/caf\\xE8.txt:1", "notes/caf\\xE9.txt:1"]);
    fs::remove_file(dir.path(".").join(OsStr::from_bytes(b"notes/caf\xe9.txt"))).unwrap();
    assert_eq!(index(&dir, "notes --store store"), [0, 5, 0, 1, 5]);
}
