//! What people's files of texts are like: encodings, separators, quotes, nulls.

mod common;

use common::Place;

#[test]
fn columns_are_found_whatever_separates_them_or_the_table_is_refused() {
    let place = Place::new();
    place.train();
    place.write(
        "t.csv",
        "id;title;text\r\n7;Bees;the cat sat, and sat\r\n8;Boats;\"a dog; or two\"\r\n9;Roof;my mouse ate\r\n",
    );
    let index = |options: &str| place.run(&format!("index t.csv --model model --store store {options}"));
    assert_eq!(index("--text-column text --metadata title --json").json()["indexed"], 3);
    let hits = place.run("search dog --store store -k 3 --json").json().to_string();
    assert!(hits.contains(r#""title":"Boats""#) && hits.contains("a dog; or two"), "{hits}");
    let found = "it has id, title, text, separated by semicolons";
    index("--text-column plot").fails(1, &format!("'t.csv' has no column 'plot': {found}"));
    index("--metadata year").fails(1, &format!("'t.csv' has no column 'year': {found}"));
    index("--id-column nr").fails(1, &format!("'t.csv' has no column 'nr': {found}"));
    place.write("t.csv", "date,amount\n2024-01-01,12\n");
    index("").fails(1, "'t.csv' has no column 'text': it has date, amount, separated by commas");
    place.write("t.csv", "a cat,animal\n7,number\n");
    place
        .run("classify train t.csv --model model --out c --text-column text")
        .fails(1, "'t.csv' has no column 'text': it has a cat, animal, separated by commas");
}

#[test]
fn a_bad_file_of_a_folder_is_left_out_of_training_and_evaluation() {
    let place = Place::new();
    std::fs::create_dir(place.path("texts")).unwrap();
    std::fs::rename(place.path("text.txt"), place.path("texts/text.txt")).unwrap();
    let train = |out: &str| {
        let settings = "--tokens char --embed 4 --hidden 6 --layers 1 --batch 4 --bptt 16 --epochs 1 --json";
        place.run(&format!("train texts --out {out} {settings}"))
    };
    train("alone").succeeds();
    let alone = place.run("eval texts --model alone --json").json();
    place.write("texts/menu.txt", b"soup of the day\ncaf\xe9 cr\xe8me\n");
    for answer in [train("model"), place.run("eval texts --model model --json")] {
        let expected = "note: left out: 'texts/menu.txt' is not UTF-8 text: invalid bytes at offset 19, line 2\n";
        assert!(answer.stderr().contains(expected), "{}", answer.stderr());
        assert!(answer.stderr().ends_with("note: 1 file could not be read and was left out\n"), "{}", answer.stderr());
        assert_eq!(answer.code(), Some(1));
        answer.json();
    }
    assert_eq!(place.run("eval texts --model model --json").json(), alone, "the same text, the same model");
    place.run("eval texts/menu.txt --model model").fails(1, "'texts/menu.txt' is not UTF-8 text");
    place.run("eval texts --model model --encoding windows-1252").succeeds();
    std::fs::remove_file(place.path("texts/text.txt")).unwrap();
    place.run("eval texts --model model").fails(1, "'texts/menu.txt' is not UTF-8 text");
}

#[test]
fn a_quote_that_is_never_closed_is_told_with_its_line() {
    let place = Place::new();
    place.train();
    let row = |n: usize| if n == 30 { "30,\"19 inch cheese\n".into() } else { format!("{n},the cat ate {n}\n") };
    place.write("t.csv", "id,text\n".to_owned() + &(1..90).map(row).collect::<String>());
    let expected = "'t.csv', line 31, is not a row with quotes: the quote that opens there is never closed";
    place.run("index t.csv --id-column id --model model --store store").fails(1, expected);
}

#[test]
fn encodings_are_told_by_a_mark_or_by_name() {
    let place = Place::new();
    place.train();
    let text = "the cat saw a café\na dog ate the naïve mouse\n".repeat(20);
    place.write("utf8.txt", &text);
    place.write(
        "utf16.txt",
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_be_bytes).collect::<Vec<_>>(),
    );
    place.write("latin1.txt", text.chars().map(|c| c as u8).collect::<Vec<_>>());
    let latin1 = "latin1.txt --encoding iso-8859-1";
    let same = |command: &str, options: &str| {
        let answer = |file: &str| place.run(&format!("{command} {file} {options}")).succeeds();
        let expected = answer("utf8.txt");
        assert_eq!((answer("utf16.txt"), answer(latin1)), (expected.clone(), expected), "{command}");
    };
    same("eval", "--model model --json");
    same("embed", "--model model");
    // the last 10 % of the text are held out, however many bytes it has in the file
    let valid = |file: &str| {
        let tiny = "--tokens char --embed 8 --hidden 8 --layers 1 --batch 2 --epochs 1 --force --json --out other";
        place.run(&format!("train {file} {tiny}")).json()["best"]["valid"].clone()
    };
    assert!(valid("utf8.txt")["loss"].is_number());
    assert_eq!([valid("utf16.txt"), valid(latin1)], [valid("utf8.txt"), valid("utf8.txt")]);
    let bad =
        "'latin1.txt' is not UTF-8 text: invalid bytes at offset 17, line 1: say which encoding it has (--encoding)";
    for command in
        ["train latin1.txt --out m", "eval latin1.txt --model model", "index latin1.txt --model model --store s"]
    {
        place.run(command).fails(1, bad);
    }
    place.run("eval utf8.txt --model model --encoding latin-9").fails(2, "unknown encoding 'latin-9'");
    place.run("eval utf16.txt --model model --encoding latin1").succeeds();
    place.write("half.txt", b"\xff\xfea\0\n\0b");
    place
        .run("embed half.txt --model model -o v.npy")
        .fails(1, "'half.txt' is not UTF-16LE text: invalid bytes at offset 6");
}

#[test]
fn a_null_is_left_out_as_an_empty_text_is() {
    let place = Place::new();
    place.train();
    let rows =
        "\u{feff}{\"text\": \"the cat\"}\r\n{\"text\": null}\r\n   \r\n{\"text\": \"\"}\r\n{\"text\": \"a dog\"}\r\n";
    place.write("t.jsonl", rows);
    let report = place.run("index t.jsonl --model model --store store --json").json();
    assert_eq!((&report["indexed"], &report["entries"]), (&2.into(), &2.into()));
    place.write("t.csv", "id,text\na,the cat\n,\nb,\nc,a dog\n");
    let report = place.run("index t.csv --id-column id --model model --store other --json").json();
    assert_eq!(report["indexed"], 2);
    place.write("t.csv", "id,text\n,the cat\n");
    place
        .run("index t.csv --id-column id --model model --store other")
        .fails(1, "'t.csv', line 2: the column 'id' must be");
}
