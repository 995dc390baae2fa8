//! Text files and tables as users have them: encodings, separators, quotes, nulls.

mod common;

use common::TestDir;

#[test]
fn separators_are_detected_and_missing_columns_reported() {
    let dir = TestDir::new();
    dir.train();
    dir.write(
        "t.csv",
        "id;title;text\r\n7;Bees;the cat sat, and sat\r\n8;Boats;\"a dog; or two\"\r\n9;Roof;my mouse ate\r\n",
    );
    let index = |options: &str| dir.run(&format!("index t.csv --model model --store store {options}"));
    assert_eq!(index("--text-column text --metadata title --json").json()["indexed"], 3);
    let hits = dir.run("search dog --store store -k 3 --json").json().to_string();
    assert!(hits.contains(r#""title":"Boats""#) && hits.contains("a dog; or two"), "{hits}");
    let found = "it has id, title, text, separated by semicolons";
    index("--text-column plot").fails(1, &format!("'t.csv' has no column 'plot': {found}"));
    index("--metadata year").fails(1, &format!("'t.csv' has no column 'year': {found}"));
    index("--id-column nr").fails(1, &format!("'t.csv' has no column 'nr': {found}"));
    dir.write("t.csv", "date,amount\n2024-01-01,12\n");
    index("").fails(1, "'t.csv' has no column 'text': it has date, amount, separated by commas");
    dir.write("t.csv", "a cat,animal\n7,number\n");
    dir.run("classify train t.csv --model model --out c --text-column text")
        .fails(1, "'t.csv' has no column 'text': it has a cat, animal, separated by commas");
}

#[test]
fn training_and_evaluation_skip_an_invalid_file_in_a_directory() {
    let dir = TestDir::new();
    std::fs::create_dir(dir.path("texts")).unwrap();
    std::fs::rename(dir.path("text.txt"), dir.path("texts/text.txt")).unwrap();
    let train = |out: &str| {
        let settings = "--tokens char --embed 4 --hidden 6 --layers 1 --batch 4 --bptt 16 --epochs 1 --json";
        dir.run(&format!("train texts --out {out} {settings}"))
    };
    train("alone").succeeds();
    let alone = dir.run("eval texts --model alone --json").json();
    dir.write("texts/menu.txt", b"soup of the day\ncaf\xe9 cr\xe8me\n");
    for result in [train("model"), dir.run("eval texts --model model --json")] {
        let expected = "note: skipped: 'texts/menu.txt' is not UTF-8 text: invalid bytes at offset 19, line 2\n";
        assert!(result.stderr().contains(expected), "{}", result.stderr());
        assert!(result.stderr().ends_with("note: 1 unreadable file was skipped\n"), "{}", result.stderr());
        assert_eq!(result.code(), Some(1));
        result.json();
    }
    assert_eq!(dir.run("eval texts --model model --json").json(), alone, "the same text, the same model");
    dir.run("eval texts/menu.txt --model model").fails(1, "'texts/menu.txt' is not UTF-8 text");
    dir.run("eval texts --model model --encoding windows-1252").succeeds();
    std::fs::remove_file(dir.path("texts/text.txt")).unwrap();
    dir.run("eval texts --model model").fails(1, "'texts/menu.txt' is not UTF-8 text");
}

#[test]
fn an_unclosed_quote_is_reported_with_its_line() {
    let dir = TestDir::new();
    dir.train();
    let row = |n: usize| if n == 30 { "30,\"19 inch cheese\n".into() } else { format!("{n},the cat ate {n}\n") };
    dir.write("t.csv", "id,text\n".to_owned() + &(1..90).map(row).collect::<String>());
    let expected = "'t.csv', line 31, is not a row with quotes: the quote that opens there is never closed";
    dir.run("index t.csv --id-column id --model model --store store").fails(1, expected);
}

#[test]
fn encodings_are_detected_by_byte_order_mark_or_given_by_name() {
    let dir = TestDir::new();
    dir.train();
    let text = "the cat saw a café\na dog ate the naïve mouse\n".repeat(20);
    dir.write("utf8.txt", &text);
    dir.write(
        "utf16.txt",
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect::<Vec<_>>(),
    );
    dir.write("latin1.txt", text.chars().map(|c| c as u8).collect::<Vec<_>>());
    let latin1 = "latin1.txt --encoding iso-8859-1";
    let same = |command: &str, options: &str| {
        let result = |file: &str| dir.run(&format!("{command} {file} {options}")).succeeds();
        let expected = result("utf8.txt");
        assert_eq!((result("utf16.txt"), result(latin1)), (expected.clone(), expected), "{command}");
    };
    same("eval", "--model model --json");
    same("embed", "--model model");
    // the held-out share does not depend on the encoding of the file
    let valid = |file: &str| {
        let tiny = "--tokens char --embed 8 --hidden 8 --layers 1 --batch 2 --epochs 1 --force --json --out other";
        dir.run(&format!("train {file} {tiny}")).json()["best"]["valid"].clone()
    };
    assert!(valid("utf8.txt")["loss"].is_number());
    assert_eq!([valid("utf16.txt"), valid(latin1)], [valid("utf8.txt"), valid("utf8.txt")]);
    let bad = "'latin1.txt' is not UTF-8 text: invalid bytes at offset 17, line 1: pass its encoding with --encoding";
    for command in
        ["train latin1.txt --out m", "eval latin1.txt --model model", "index latin1.txt --model model --store s"]
    {
        dir.run(command).fails(1, bad);
    }
    dir.run("eval utf8.txt --model model --encoding latin-9").fails(2, "unknown encoding 'latin-9'");
    dir.run("eval utf16.txt --model model --encoding latin1").succeeds();
    dir.write("half.txt", b"\xff\xfea\0\n\0b");
    dir.run("embed half.txt --model model -o v.npy")
        .fails(1, "'half.txt' is not UTF-16LE text: invalid bytes at offset 6");
}

#[test]
fn nulls_are_skipped_like_empty_texts() {
    let dir = TestDir::new();
    dir.train();
    let rows =
        "\u{feff}{\"text\": \"the cat\"}\r\n{\"text\": null}\r\n   \r\n{\"text\": \"\"}\r\n{\"text\": \"a dog\"}\r\n";
    dir.write("t.jsonl", rows);
    let report = dir.run("index t.jsonl --model model --store store --json").json();
    assert_eq!((&report["indexed"], &report["entries"]), (&2.into(), &2.into()));
    dir.write("t.csv", "id,text\na,the cat\n,\nb,\nc,a dog\n");
    let report = dir.run("index t.csv --id-column id --model model --store other --json").json();
    assert_eq!(report["indexed"], 2);
    dir.write("t.csv", "id,text\n,the cat\n");
    dir.run("index t.csv --id-column id --model model --store other")
        .fails(1, "'t.csv', line 2: the column 'id' must be");
}
