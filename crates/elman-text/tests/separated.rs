//! Tables with separated columns: separators, quotes, and columns by name.

mod table;

use elman_text::{Columns, Encoding, RowLocation, Table};
use proptest::{collection::vec, prelude::*, sample::select};
use table::{File, labeled};

#[test]
fn separator_is_guessed() {
    let rows = [["text", "label"], ["one, two", "a"], ["three; four", "b"], ["five | six", "c"]];
    let table = |separator: &str, quote: &str| -> String {
        let quoted = |field: &&str| format!("{quote}{field}{quote}");
        rows.iter().map(|row| row.iter().map(quoted).collect::<Vec<_>>().join(separator) + "\r\n").collect()
    };
    let expected = &rows[1..];
    for separator in [",", ";", "\t", "|"] {
        let quoted = table(separator, "\"");
        assert_eq!(File::new("a.csv", &quoted).texts(labeled()), expected, "{separator}");
        assert_eq!(File::new("a.csv", &quoted).texts(labeled().by_name()), expected, "{separator}");
        // works without a header, and with commas within texts
        let headless = quoted.split_once('\n').unwrap().1;
        assert_eq!(File::new("a.csv", headless).texts(labeled()), expected, "{separator}");
        let named = format!("sep={separator}\r\n{headless}");
        let file = File::new("a.csv", named);
        assert_eq!(file.texts(labeled()), expected, "{separator}");
        assert_eq!(file.read(labeled()).unwrap()[0].place(), RowLocation::Line(2));
    }
    assert_eq!(File::new("a.csv", table(";", "").replace("three;", "three")).texts(labeled())[0], ["one, two", "a"]);
    assert_eq!(File::new("a.csv", "nr;price;text\n1;2,50;a\n2;3,75;b").texts(Columns::new(["text"])), [["a"], ["b"]]);
    // a .tsv file without tabs
    assert_eq!(File::new("a.tsv", table(";", "\"")).texts(labeled()), expected);
    // a single column with arbitrary texts
    let texts = Columns::new(["text"]);
    for lines in ["text\na; b\nc; d\n", "a\nb; c\nd | e\n"] {
        let rows: Vec<[&str; 1]> = lines.lines().filter(|line| *line != "text").map(|line| [line]).collect();
        assert_eq!(File::new("a.csv", lines).texts(texts.clone()), rows);
        assert_eq!(File::new("a.tsv", lines).texts(texts.clone()), rows);
    }
    // more rows than the sample
    let long: String = (0..9000).map(|n| format!("{n};the text, number {n}\n")).collect();
    assert_eq!(File::new("a.csv", long).read(labeled()).unwrap().len(), 9000);
}

#[test]
fn last_row_of_empty_fields_is_read_without_a_line_feed() {
    for end in ["", "\n"] {
        assert_eq!(File::new("a.csv", format!("text,label\na,b\n,{end}")).texts(labeled()), [["a", "b"], ["", ""]]);
    }
}

#[test]
fn columns_by_name_are_never_found_by_position() {
    let named = |names: &[&str]| Columns::new(names.iter().copied()).by_name();
    for (name, content, names, expected) in [
        (
            "a.csv",
            "id;title;text\n1;a;b\n",
            &["plot"][..],
            "'a.csv' has no column 'plot': it has id, title, text, separated by semicolons",
        ),
        (
            "a.csv",
            "one text\nanother\n",
            &["text"],
            "'a.csv' has no column 'text': it has one text, separated by commas",
        ),
        ("a.tsv", "a\tb\n", &["text", "label"], "'a.tsv' has no column 'text': it has a, b, separated by tabs"),
        (
            "a.jsonl",
            "[\"a\"]\n",
            &["text"],
            "'a.jsonl', line 1, is not a row of JSON: a list has no names, so 'text' cannot be found",
        ),
    ] {
        assert_eq!(File::new(name, content).error(named(names)), expected);
    }
    // a table may lack columns that are added after by_name
    let added = named(&["text"]).with_optional(["title"]);
    assert_eq!(File::new("a.csv", "text,year\na,1\n").texts(added), [["a", "-"]]);
    let with_title = || Columns::new(["text"]).with_optional(["title"]).by_name();
    assert_eq!(
        File::new("a.csv", "text,year\na,1\n").error(with_title()),
        "'a.csv' has no column 'title': it has text, year, separated by commas"
    );
    let rows = "{\"text\": \"a\", \"year\": 1}\n{\"text\": \"b\"}\n";
    assert_eq!(File::new("a.jsonl", rows).error(with_title()), "'a.jsonl' has no column 'title': it has text, year");
    let some = rows.to_owned() + "{\"text\": \"c\", \"title\": \"t\"}";
    assert_eq!(File::new("a.jsonl", some).texts(with_title()), [["a", "-"], ["b", "-"], ["c", "t"]]);
    assert_eq!(
        File::new("a.csv", "text,text,label\na,b,c\n").error(labeled()),
        "'a.csv' is not a valid table: duplicate column 'text'"
    );
}

/// A table of ids and texts, with some rows replaced.
fn tickets(changed: &[(usize, &str)]) -> String {
    let row = |n: usize| match changed.iter().find(|(row, _)| *row == n) {
        Some((_, text)) => format!("{n},{text}\n"),
        None => format!("{n},the lamp in room {n} flickers\n"),
    };
    "id,text\n".to_owned() + &(1..200).map(row).collect::<String>()
}

#[test]
fn misplaced_quotes_are_reported_with_their_line() {
    let ids = || Columns::new(["id", "text"]);
    let error = |changed: &[(usize, &str)]| File::new("a.csv", tickets(changed)).error(ids());
    let begin = "'a.csv', line 21, is not a row with quotes: the quote that opens there ";
    let inch = "\"19 inch of lamp";
    assert_eq!(error(&[(20, inch)]), format!("{begin}is never closed"));
    // another stray quote closes it
    for other in ["a \"good\" lamp", "\"a good lamp", "\"a good, lamp\""] {
        assert!(error(&[(20, inch), (60, other)]).starts_with(&format!("{begin}closes in line 61 with text after it")));
    }
    for (other, line) in [("a lamp of 19\"", 61), ("\"\"", 200)] {
        let message = error(&[(20, inch), (60, other), (199, "19\"")]);
        assert_eq!(message, format!("{begin}closes only in line {line}, and the lines between are rows"), "{other}");
    }
    assert_eq!(
        error(&[(20, "\"a\" lamp")]),
        format!("{begin}closes in line 21 with text after it (within quotes, a quote is doubled)")
    );
    let zipped = File::new("a.csv.gz", tickets(&[(20, inch)])).error(ids());
    assert!(zipped.contains("line 21") && zipped.ends_with("is never closed"), "{zipped}");
    assert!(File::new("a.csv", "text,label\na,\"").error(labeled()).ends_with("is never closed"));

    // valid quotes
    let fine =
        File::new("a.csv", tickets(&[(20, "a 19\" lamp"), (30, "\"two\r\nlines, \"\"and\"\"\nmore\""), (40, "\"\"")]));
    let rows = fine.read(ids()).unwrap();
    assert_eq!(rows.len(), 199);
    assert_eq!((rows[19].text(1), rows[29].text(1)), ("a 19\" lamp", "two\r\nlines, \"and\"\nmore"));
    assert_eq!((rows[39].text(1), rows[30].place()), ("", RowLocation::Line(34)));
    let recipe = "\"flour, 2 cups\nsugar, 1 cup\nsalt, a little\nbutter, cold\nwater, warm\neggs, 3\"";
    assert_eq!(File::new("a.csv", tickets(&[(20, recipe)])).read(ids()).unwrap().len(), 199);
    let end = File::new("a.csv", "text,label\r\n\r\n\"a\",\"b\r\"\r\n\"c\",\"d\"\r");
    assert_eq!(end.texts(labeled()), [["a", "b\r"], ["c", "d"]]);
}

#[test]
fn rows_do_not_depend_on_the_read_size() {
    /// A reader that returns one byte at a time.
    struct Drops<R>(R);
    impl<R: std::io::Read> std::io::Read for Drops<R> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            self.0.read(&mut buffer[..1])
        }
    }
    let table = tickets(&[(20, "\"a \"\"19\"\" lamp\"\r"), (30, "\"two\r\nlines\"")]);
    let rows = |table: Table| table.map(|row| row.unwrap().into_values()).collect::<Vec<_>>();
    let columns = || Columns::new(["text", "id"]);
    let whole = rows(Table::open(&File::new("a.csv", &table).path, columns()).unwrap());
    let drops = Drops(std::io::Cursor::new(table));
    assert_eq!(rows(Table::read("a.csv", drops, columns(), Encoding::default()).unwrap()), whole);
    assert_eq!(whole[19][0].as_deref(), Some("a \"19\" lamp"));
}

proptest! {
    #[test]
    fn what_a_writer_of_csv_writes_is_read(
        rows in vec(["[a-c1,;\t|\"\n\r é]{0,9}", "[a-c1,;\t|\"\n\r é]{0,9}"], 0..9),
        separator in select(b",;\t|".to_vec()),
    ) {
        let mut writer = csv::WriterBuilder::new().delimiter(separator).from_writer(Vec::new());
        writer.write_record(["label", "text"]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let table = std::io::Cursor::new(writer.into_inner().unwrap());
        let table = Table::read("a.csv", table, Columns::new(["label", "text"]), Encoding::default()).unwrap();
        let read: Vec<Vec<_>> = table.map(|row| row.unwrap().into_values().into_iter().flatten().collect()).collect();
        prop_assert_eq!(read, rows.iter().map(|row| row.to_vec()).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_tables_are_rows_or_an_error(
        name in select(vec!["a.csv", "a.tsv", "a.jsonl", "a.txt", "a.csv.gz", "a.parquet"]),
        bytes in vec(select(b"text,\"\n\r;{}[]:\t|\0\xff\xfe\xef\xbb\xbf1".to_vec()), 0..200),
    ) {
        let table = Table::read(name, std::io::Cursor::new(bytes), Columns::new(["text"]), Encoding::default());
        let rows = table.map_or(0, Iterator::count);
        prop_assert!(rows <= 200);
    }
}
