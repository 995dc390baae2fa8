//! The clusters of a store, and its map.

mod common;

use std::{collections::HashMap, fs};

use common::Place;
use serde_json::Value;

/// Lines about cats, shares and songs in turn.
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

/// A place with a store of the lines.
fn place() -> Place {
    let place = Place::new();
    place.write("lines.txt", lines());
    place.run("index lines.txt --store store").succeeds();
    place
}

#[test]
fn what_is_about_one_thing_is_in_one_cluster() {
    let place = place();
    let clusters = place.run("store clusters store -k 3 --json").json();
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
    assert_eq!(place.run("store clusters store -k 3").succeeds(), place.run("store clusters store -k 3").succeeds());

    let answer = place.run("store clusters store --out clusters.csv");
    assert!(answer.succeeds().starts_with("1: "));
    assert_eq!(answer.stderr(), "2 clusters of 12 entries; another number with -k\n");
    let table = fs::read_to_string(place.path("clusters.csv")).unwrap();
    let rows: Vec<(&str, &str)> = table.lines().map(|line| line.split_once(',').unwrap()).collect();
    assert_eq!((rows.len(), rows[0], rows[12].0), (13, ("id", "cluster"), "lines.txt:12"));
    assert!(rows[1..].iter().all(|row| ["1", "2"].contains(&row.1)));

    let clusters = place.run("store clusters store -k 2 --filter line<3 --json").json();
    let members: Vec<&Value> = clusters.as_array().unwrap().iter().map(|cluster| &cluster["members"][0]).collect();
    assert_eq!(members.len(), 2);
}

#[test]
fn a_map_has_every_entry_and_nothing_that_runs() {
    let place = place();
    let report = place.run("store map store -o map.html -k 3 --json").json();
    assert_eq!((&report["entries"], &report["drawn"]), (&12.into(), &12.into()));
    let html = fs::read_to_string(place.path("map.html")).unwrap();
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
    place.run("store map store -o again.html -k 3").succeeds();
    assert_eq!(fs::read_to_string(place.path("again.html")).unwrap(), html, "one seed, one map");
    assert!(html.contains("Map of store") && html.contains("12 entries in 3 clusters"));

    // a text that would end the script, and one that is long
    place.write("hostile.txt", format!("</script><script>alert(1)</script>\n{}\n", "cat ".repeat(9999)));
    place.run("index hostile.txt --store store").succeeds();
    let answer = place.run("store map store -o map.html --filter file='hostile.txt'");
    assert_eq!(answer.succeeds(), "Open map.html in a browser\n");
    let html = fs::read_to_string(place.path("map.html")).unwrap();
    assert!(!html.contains("<script>alert") && html.len() < 40_000);
    assert!(data(&html).to_string().contains("</script><script>alert(1)"));

    let answer = place.run("store map store -o map.html --max 5");
    answer.succeeds();
    assert!(answer.stderr().contains("5 of them are drawn, at random; more with --max"), "{}", answer.stderr());
    let html = fs::read_to_string(place.path("map.html")).unwrap();
    let drawn: usize = data(&html).as_array().unwrap().iter().map(|group| group["id"].as_array().unwrap().len()).sum();
    assert_eq!(drawn, 5);
    assert!(html.contains("14 entries in 3 clusters, 5 of them drawn at random"));
}

#[test]
fn what_cannot_be_grouped() {
    let place = place();
    for (command, out) in [("clusters", "--out"), ("map", "-o")] {
        let run = |arguments: &str| place.run(&format!("store {command} {arguments} {out} out.file"));
        run("nowhere").fails(1, "'nowhere' holds no store");
        run("store -k 0").fails(2, "invalid value '0' for '-k <N>'");
        run("store -k 13").fails(1, "12 vectors cannot be put into 13 clusters: use 1 to 12");
        run("store --filter line>99").fails(1, "no entry of 'store' meets the condition of --filter");
        run("store --filter year=1").fails(1, "no entry has the field year: entries have canonical_path, file, line");
        place.run(&format!("store {command} store {out} no/such/out")).fails(1, "cannot write 'no/such/out'");
        place.run(&format!("store {command} store {out} store")).fails(1, "cannot write 'store'");
        assert!(!place.path("out.file").exists());
    }
    place.run("store map store").fails(2, "--out <FILE.html>");
    place.run("store map store -o map.html --max 0").fails(2, "invalid value '0' for '--max <N>'");
    place.run("store delete store --filter line>0").succeeds();
    place.run("store clusters store").fails(1, "the store 'store' has no entries");
    place.run("store map store -o map.html").fails(1, "the store 'store' has no entries");
}

#[test]
fn few_entries_and_equal_ones_are_fine() {
    let place = Place::new();
    place.write("one.txt", "a cat\n");
    place.run("index one.txt --store one").succeeds();
    assert!(place.run("store clusters one").succeeds().starts_with("1: 1 entry: cat\n  1.000  one.txt:1  a cat\n"));
    place.run("store map one -o map.html").succeeds();
    place.write("same.txt", "a cat\n".repeat(50));
    place.run("index same.txt --store same").succeeds();
    let answer = place.run("store clusters same -k 7");
    assert!(answer.succeeds().starts_with("1: 50 entries: cat\n"));
    assert_eq!(answer.stderr(), "1 cluster of 50 entries: no more of their vectors differ\n");
    place.run("store map same -o map.html").succeeds();
}
