//! `elman store clusters` and `elman store map`.

mod common;

use std::{collections::HashMap, fs};

use common::TestDir;
use serde_json::Value;

/// Lines about cats, shares and songs, alternating.
fn lines() -> String {
    let cats =
        ["the cat drinks milk", "a kitten sleeps on the sofa", "my cat chases a mouse", "two cats play in the garden"];
    let shares = [
        "shares fell sharply",
        "the stock market lost ground",
        "investors sold their stocks",
        "the bank raised its rates",
    ];
    let songs = ["she plays the guitar", "the band sang a song", "he plays the piano", "the orchestra plays music"];
    let turn = cats.iter().zip(&shares).zip(&songs);
    turn.map(|((cat, share), song)| format!("{cat}\n{share}\n{song}\n")).collect()
}

fn subject(id: &Value) -> usize {
    let line = id.as_str().and_then(|id| id.rsplit_once(':')).and_then(|(_, line)| line.parse::<usize>().ok());
    (line.expect("FILE:LINE") - 1) % 3
}

/// A directory with a store of the lines.
fn setup() -> TestDir {
    let dir = TestDir::new();
    dir.write("lines.txt", lines());
    dir.run("index lines.txt --store store").succeeds();
    dir
}

#[test]
fn related_entries_are_in_one_cluster() {
    let dir = setup();
    let clusters = dir.run("store clusters store -k 3 --json").json();
    let clusters = clusters.as_array().unwrap();
    assert_eq!(clusters.iter().map(|cluster| &cluster["entries"]).collect::<Vec<_>>(), [4, 4, 4]);
    for cluster in clusters {
        let members = cluster["members"].as_array().unwrap();
        let subjects: Vec<usize> = members.iter().map(subject).collect();
        assert_eq!(subjects, [subjects[0]; 4], "{cluster}");
        let nearest = cluster["nearest"].as_array().unwrap();
        assert_eq!(
            nearest.iter().map(|entry| &entry["id"]).collect::<Vec<_>>(),
            members.iter().take(3).collect::<Vec<_>>()
        );
        let word = ["cat", "the", "plays"][subjects[0]];
        let words: Vec<&str> = cluster["words"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
        assert_eq!(words.contains(&word), word != "the", "{words:?}");
    }
    assert_eq!(dir.run("store clusters store -k 3").succeeds(), dir.run("store clusters store -k 3").succeeds());

    let result = dir.run("store clusters store --out clusters.csv");
    assert!(result.succeeds().starts_with("1: "));
    assert_eq!(result.stderr(), "2 clusters of 12 entries; use -k to change the number\n");
    let table = fs::read_to_string(dir.path("clusters.csv")).unwrap();
    let rows: Vec<(&str, &str)> = table.lines().map(|line| line.split_once(',').unwrap()).collect();
    assert_eq!((rows.len(), rows[0], rows[12].0), (13, ("id", "cluster"), "lines.txt:12"));
    assert!(rows[1..].iter().all(|row| ["1", "2"].contains(&row.1)));

    let clusters = dir.run("store clusters store -k 2 --filter line<3 --json").json();
    let members: Vec<&Value> = clusters.as_array().unwrap().iter().map(|cluster| &cluster["members"][0]).collect();
    assert_eq!(members.len(), 2);
}

#[test]
fn a_map_has_every_entry_and_runs_no_text() {
    let dir = setup();
    let report = dir.run("store map store -o map.html -k 3 --json").json();
    assert_eq!((&report["entries"], &report["drawn"]), (&12.into(), &12.into()));
    let html = fs::read_to_string(dir.path("map.html")).unwrap();
    let data = |html: &str| -> Value {
        let (_, rest) = html.split_once("type=\"application/json\">").unwrap();
        serde_json::from_str(rest.split_once("</script>").unwrap().0).unwrap()
    };
    let texts: HashMap<String, String> =
        lines().lines().zip(1..).map(|(text, n)| (format!("lines.txt:{n}"), text.into())).collect();
    let mut found = HashMap::new();
    for group in data(&html).as_array().unwrap() {
        let (ids, texts) = (group["id"].as_array().unwrap(), group["text"].as_array().unwrap());
        assert_eq!(
            (group["x"].as_array().unwrap().len(), group["y"].as_array().unwrap().len()),
            (ids.len(), ids.len())
        );
        assert!(!group["name"].as_str().unwrap().is_empty());
        found.extend(
            ids.iter().zip(texts).map(|(id, text)| (id.as_str().unwrap().into(), text.as_str().unwrap().into())),
        );
    }
    assert_eq!(found, texts);
    dir.run("store map store -o again.html -k 3").succeeds();
    assert_eq!(fs::read_to_string(dir.path("again.html")).unwrap(), html, "same seed, same map");
    assert!(html.contains("Map of store") && html.contains("12 entries in 3 clusters"));

    // a text that would end the script element, and a long text
    dir.write("hostile.txt", format!("</script><script>alert(1)</script>\n{}\n", "cat ".repeat(9999)));
    dir.run("index hostile.txt --store store").succeeds();
    let result = dir.run("store map store -o map.html --filter file='hostile.txt'");
    assert_eq!(result.succeeds(), "Open map.html in a browser\n");
    let html = fs::read_to_string(dir.path("map.html")).unwrap();
    assert!(!html.contains("<script>alert") && html.len() < 40_000);
    assert!(data(&html).to_string().contains("</script><script>alert(1)"));

    let result = dir.run("store map store -o map.html --max 5");
    result.succeeds();
    assert!(
        result.stderr().contains("drawing a random sample of 5 entries; use --max to draw more"),
        "{}",
        result.stderr()
    );
    let html = fs::read_to_string(dir.path("map.html")).unwrap();
    let drawn: usize = data(&html).as_array().unwrap().iter().map(|group| group["id"].as_array().unwrap().len()).sum();
    assert_eq!(drawn, 5);
    assert!(html.contains("14 entries in 3 clusters, a random sample of 5 shown"));
}

#[test]
fn invalid_arguments_are_reported() {
    let dir = setup();
    for (command, out) in [("clusters", "--out"), ("map", "-o")] {
        let run = |arguments: &str| dir.run(&format!("store {command} {arguments} {out} out.file"));
        run("nowhere").fails(1, "'nowhere' holds no store");
        run("store -k 0").fails(2, "invalid value '0' for '-k <N>'");
        run("store -k 13").fails(1, "12 vectors cannot be put into 13 clusters: use 1 to 12");
        run("store --filter line>99").fails(1, "no entry of 'store' matches --filter");
        run("store --filter year=1").fails(1, "no entry has the field year: entries have canonical_path, file, line");
        dir.run(&format!("store {command} store {out} no/such/out")).fails(1, "cannot write 'no/such/out'");
        dir.run(&format!("store {command} store {out} store")).fails(1, "cannot write 'store'");
        assert!(!dir.path("out.file").exists());
    }
    dir.run("store map store").fails(2, "--out <FILE.html>");
    dir.run("store map store -o map.html --max 0").fails(2, "invalid value '0' for '--max <N>'");
    dir.run("store delete store --filter line>0").succeeds();
    dir.run("store clusters store").fails(1, "the store 'store' has no entries");
    dir.run("store map store -o map.html").fails(1, "the store 'store' has no entries");
}

#[test]
fn few_and_equal_entries_are_clustered() {
    let dir = TestDir::new();
    dir.write("one.txt", "a cat\n");
    dir.run("index one.txt --store one").succeeds();
    assert!(dir.run("store clusters one").succeeds().starts_with("1: 1 entry: cat\n  1.000  one.txt:1  a cat\n"));
    dir.run("store map one -o map.html").succeeds();
    dir.write("same.txt", "a cat\n".repeat(50));
    dir.run("index same.txt --store same").succeeds();
    let result = dir.run("store clusters same -k 7");
    assert!(result.succeeds().starts_with("1: 50 entries: cat\n"));
    assert_eq!(result.stderr(), "1 cluster of 50 entries: there are no more distinct vectors\n");
    dir.run("store map same -o map.html").succeeds();
}
