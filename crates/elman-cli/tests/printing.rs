//! Output escapes the content of files, which cannot control a terminal or run in a page.

mod common;

use std::{fs, process::Command};

use common::TestDir;

/// Colors, a window title, a C1 control, and a right-to-left override.
const HOSTILE: &str = "harbor \u{1b}[31mred\u{1b}]0;title\u{7} \u{9b}2J \u{202e}gnp.exe <b>bold</b>";

fn has_controls(text: &str) -> bool {
    text.chars().any(|c| (c.is_control() && !matches!(c, '\n' | '\t')) || c == '\u{202e}')
}

/// A directory with a store of two texts, one of them hostile.
fn setup() -> TestDir {
    let dir = TestDir::new();
    dir.write("notes.txt", format!("{HOSTILE}\nthe boat is in the garden\n"));
    dir.run("index notes.txt --store store").succeeds();
    dir
}

#[test]
fn tables_escape_control_characters() {
    let dir = setup();
    for command in [
        "search harbor --store store",
        "search harbor --store store --hybrid",
        "store clusters store -k 1",
        "store duplicates store --threshold 0.01",
        "store info store",
    ] {
        let shown = dir.run(command).succeeds();
        assert!(!has_controls(&shown), "{command}: {shown:?}");
    }
    let shown = dir.run("search harbor --store store").succeeds();
    assert!(shown.contains(r"\u{1b}[31mred\u{1b}]0;title\u{7} \u{9b}2J \u{202e}gnp.exe <b>bold</b>"), "{shown}");
}

#[test]
fn programs_get_the_exact_text() {
    let dir = setup();
    let hits = dir.run("search harbor --store store --json").json();
    assert!(hits.as_array().unwrap().iter().any(|hit| hit["text"] == HOSTILE), "{hits}");
    let first = dir.run("embed notes.txt").succeeds().lines().next().map(str::to_owned).expect("a line");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&first).unwrap()["text"], HOSTILE);
}

#[cfg(unix)]
#[test]
fn names_in_errors_are_escaped_and_truncated() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let dir = TestDir::new();
    let name = [b"\x1b]0;owned\x07\xff".as_slice(), "\u{202e}".as_bytes(), &b"x".repeat(200), b".txt"].concat();
    let long = "y".repeat(5000);
    for arguments in [
        vec![OsStr::new("embed"), OsStr::from_bytes(&name)],
        vec![OsStr::new("index"), OsStr::from_bytes(&name), OsStr::new("--store"), OsStr::new("store")],
        vec![OsStr::new("search"), OsStr::new("x"), OsStr::new("--store"), OsStr::from_bytes(&name)],
        vec![OsStr::new("embed"), OsStr::new(&long)],
        vec![OsStr::new("embed"), OsStr::new("text.txt"), OsStr::new("--device"), OsStr::from_bytes(&name[..7])],
    ] {
        let output = Command::new(assert_cmd::cargo::cargo_bin!("elman"))
            .current_dir(dir.path("."))
            .args(&arguments)
            .output()
            .expect("elman runs");
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(matches!(output.status.code(), Some(1 | 2)), "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.lines().count() == 1, "{stderr:?}");
        assert!(!has_controls(&stderr) && stderr.chars().count() <= 320, "{stderr:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_terminal_gets_no_control_characters_of_a_text() {
    let dir = setup();
    let elman = assert_cmd::cargo::cargo_bin!("elman").display().to_string();
    for command in ["search harbor --store store", "embed notes.txt", "search harbor --store store --json"] {
        // script(1) of util-linux runs a command in a terminal
        let script = Command::new("script")
            .current_dir(dir.path("."))
            .env("TERM", "xterm")
            .args(["-qec", &format!("{elman} {command}"), "/dev/null"])
            .output();
        let Ok(output) = script else {
            println!("skipped: the program 'script' is not installed");
            return;
        };
        let shown = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(shown.contains("harbor"), "{command}: {shown:?}");
        for control in ["\u{1b}[31m", "\u{1b}]0", "\u{9b}", "\u{202e}"] {
            assert!(!shown.contains(control), "{command}: {shown:?}");
        }
    }
}

#[test]
fn pages_do_not_run_texts() {
    let dir = TestDir::new();
    let hostile =
        ["</script><script>alert(1)</script>", "<img src=x onerror=alert(2)>", "line\u{2028}separator --> <!--"];
    let words = format!("{}\n{}\n", hostile.join("\n"), "w".repeat(100_000));
    dir.write("notes.txt", words + "the cat sat\na dog ran\nshares fell\n");
    dir.run("index notes.txt --store store").succeeds();
    dir.run("store map store --out map.html").succeeds();
    let page = fs::read_to_string(dir.path("map.html")).unwrap();
    assert_eq!((page.matches("<script").count(), page.matches("</script").count()), (2, 2), "the page's own");
    assert!(!page.contains("<img") && !page.contains("'unsafe-inline'"));
    assert!(page.contains("script-src 'sha256-"));
}
