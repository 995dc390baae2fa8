//! Tables: all formats yield the same rows, and errors report the location.

mod table;

use std::fs;

use elman_text::{Columns, Row, RowLocation, Table};
use table::{File, labeled};

fn pairs() -> Columns {
    Columns::new(["first", "second"]).with_optional(["score"])
}

#[test]
fn all_formats_yield_the_same_rows() {
    let tsv = "text\tlabel\na \"cat\"\tanimal\n\n\tnone\nein Bär\tanimal\n";
    let expected = [["a \"cat\"", "animal"], ["", "none"], ["ein Bär", "animal"]];
    for (name, content) in [
        ("a.tsv", tsv.to_owned()),
        ("a.TSV", format!("\u{feff}{}", tsv.replace('\n', "\r\n"))),
        ("a.tsv.gz", tsv.to_owned()),
        ("headless.tsv", tsv.split_once('\n').unwrap().1.trim_end().to_owned()),
        ("columns.tsv", "id\tlabel\ttext\n1\tanimal\ta \"cat\"\n2\tnone\t\n3\tanimal\tein Bär".to_owned()),
        ("a.csv", "text,label\n\"a \"\"cat\"\"\",animal\n,none\nein Bär,animal\n".to_owned()),
        (
            "a.csv.gz",
            "\u{feff}\"label\",\"text\"\r\nanimal,\"a \"\"cat\"\"\"\r\n\r\nnone,\"\"\r\nanimal,ein Bär".to_owned(),
        ),
        (
            "a.jsonl",
            "{\"text\": \"a \\\"cat\\\"\", \"label\": \"animal\"}\n[\"\", \"none\"]\n\n\
             {\"id\": [1], \"label\": \"animal\", \"text\": \"ein B\\u00e4r\"}"
                .to_owned(),
        ),
        ("a.ndjson.gz", "[\"a \\\"cat\\\"\",\"animal\"]\r\n[\"\",\"none\"]\r\n[\"ein Bär\",\"animal\"]\r\n".to_owned()),
    ] {
        assert_eq!(File::new(name, content).texts(labeled()), expected, "{name}");
    }
    let lines = File::new("a.txt", "text\na\tb\n\nc\r\n");
    assert_eq!(lines.texts(Columns::new(["text"])), [["text"], ["a\tb"], ["c"]]);
}

#[test]
fn optional_columns_may_be_missing() {
    for (name, content) in [
        ("a.tsv", "a\tb\t4.5\nc\td\n"),
        ("b.csv", "first,second,score\na,b,4.5\nc,d,\n"),
        ("c.jsonl", "{\"first\": \"a\", \"second\": \"b\", \"score\": 4.5}\n[\"c\", \"d\"]"),
        ("d.jsonl", "{\"first\": \"a\", \"second\": \"b\", \"score\": \"4.5\"}\n[\"c\", \"d\", null]"),
    ] {
        let file = File::new(name, content);
        let rows = file.read(pairs()).unwrap();
        let scores: Vec<_> = rows.iter().map(|row| row.number(2).unwrap()).collect();
        assert_eq!(scores, [Some(4.5), None], "{name}");
        assert_eq!((rows[1].text(1), rows[1].text(2)), ("d", ""));
    }
    let bare = File::new("a.csv", "second,first\nb,a\n");
    assert_eq!(bare.texts(pairs()), [["a", "b", "-"]]);
}

#[test]
fn location_is_the_line_on_which_a_row_begins() {
    for content in ["text,label\n\"two\nlines\",x\nlast,y", "text,label\r\n\"two\r\nlines\",x\r\nlast,y\r\n"] {
        let file = File::new("a.csv", content);
        let locations: Vec<RowLocation> = file.read(labeled()).unwrap().iter().map(Row::place).collect();
        assert_eq!(locations, [RowLocation::Line(2), RowLocation::Line(4)], "{content:?}");
    }
}

#[test]
fn numbers_and_booleans_keep_their_notation() {
    let file = File::new("a.jsonl", "[\"t\", 3]\n[\"t\", -0.25]\n[\"t\", true]\n[1, \"x\"]");
    assert_eq!(file.texts(labeled()), [["t", "3"], ["t", "-0.25"], ["t", "true"], ["1", "x"]]);
}

#[test]
fn errors_report_the_location() {
    let error = |name: &str, content: &[u8], columns: Columns| File::new(name, content).error(columns);
    for (name, content, expected) in [
        ("a.tsv", &b"a\tx\nb\n"[..], "'a.tsv', line 2, has 1 columns, expected 2 (text, label)"),
        ("a.tsv", b"a\tb\tc\n", "'a.tsv' has no column 'text': it has a, b, c, separated by tabs"),
        ("a.txt", b"a\tb\n", "'a.txt', line 1, has 1 columns, expected 2 (text, label)"),
        ("a.csv", b"text,label\na,b\na,b,c\n", "'a.csv', line 3, has 3 columns, expected 2, as in the header"),
        ("a.tsv", b"sentence\tlabel\na\tb", "'a.tsv' has no column 'text': it has sentence, label, separated by tabs"),
        ("a.jsonl", b"[\"a\"]", "'a.jsonl', line 1, has 1 columns, expected 2 (text, label)"),
        ("a.jsonl", b"[1,2]\n\n{\"text\": \"\", \"x\": 1}", "'a.jsonl', line 3, has no column 'label': it has text, x"),
        ("a.jsonl", b"[[], 1]", "'a.jsonl', line 1: the column 'text' must be a text or a number, not a list"),
        (
            "a.jsonl",
            b"[1,2]\n7",
            "'a.jsonl', line 2, is not a row of JSON: found a number, expected an object or a list",
        ),
        ("a.jsonl", b"{\"text\" 1}", "'a.jsonl', line 1, is not a row of JSON: expected `:` at column 9"),
        ("a.jsonl", b"[1,2]\n[\"\xff\",2]", "'a.jsonl', line 2, is not a row of JSON: invalid UTF-8 at column 3"),
        ("a.tsv", b"a\tb\n\ncaf\xe9\tx\n", "'a.tsv', line 3: the column 'text' must be UTF-8 text, not 'caf\u{fffd}'"),
        ("a.csv", b"", "'a.csv' is empty"),
        ("a.csv.gz", b"", "'a.csv.gz' is empty"),
    ] {
        assert_eq!(error(name, content, labeled()), expected);
    }
    assert!(error("a.doc", b"a", labeled()).starts_with("'a.doc' is not a supported table: the name must end in"));
    assert!(error("tsv", b"a", labeled()).contains("must end in"));
    assert!(error("a.parquet.gz", b"a", labeled()).contains("must end in"));
    assert_eq!(
        error("a.tsv", b"a\n", pairs()),
        "'a.tsv', line 1, has 1 columns, expected 2 to 3 (first, second, score; score optional)"
    );
    let missing = Table::open("no/such.tsv", labeled()).unwrap_err().to_string();
    assert!(missing.starts_with("cannot read 'no/such.tsv': No such file"), "{missing}");
    // content that does not match the extension
    let file = File::new("a.tsv", "a\tb");
    let zipped = file.path.with_extension("csv.gz");
    fs::copy(&file.path, &zipped).unwrap();
    let error = Table::open(&zipped, labeled()).unwrap_err().to_string();
    assert!(error.starts_with("cannot read"), "{error}");
}

#[test]
fn invalid_number_is_an_error() {
    let file = File::new("a.tsv", format!("a\tb\tmany\na\tb\t1e999\na\tb\t 1 \na\tb\t{}", "x".repeat(99)));
    let rows = file.read(pairs()).unwrap();
    let error = |row: usize| rows[row].number(2).unwrap_err().to_string();
    assert!(error(0).ends_with("line 1: the column 'score' must be a number, not 'many'"), "{}", error(0));
    assert!(error(1).contains("line 2"));
    assert_eq!(rows[2].number(2).unwrap(), Some(1.0));
    assert!(error(3).ends_with(&format!("not '{}…'", "x".repeat(60))));
    assert!(rows[2].error(0, "a word").to_string().ends_with("the column 'first' must be a word, not 'a'"));
}

#[test]
fn reading_stops_at_an_error() {
    let file = File::new("a.tsv", "a\tb\nc\nd\te\n");
    let mut table = Table::open(&file.path, labeled()).unwrap();
    assert!(table.next().unwrap().is_ok() && table.next().unwrap().is_err());
    assert!(table.next().is_none());
    fn is_send<T: Send>(_: &T) {}
    is_send(&table);
}

#[test]
fn null_is_empty_and_blank_lines_are_skipped() {
    let file =
        File::new("a.jsonl", "\u{feff}[\"a\", 1]\r\n \t \r\n{\"text\": null, \"label\": 2}\r\n\r\n[null, 3]\r\n");
    assert_eq!(file.texts(labeled()), [["a", "1"], ["-", "2"], ["-", "3"]]);
    let rows = file.read(labeled()).unwrap();
    assert_eq!((rows[1].text(0), rows[1].place(), rows[2].place()), ("", RowLocation::Line(3), RowLocation::Line(5)));
    let error = File::new("a.jsonl", "[\"a\", null]").read(labeled()).unwrap()[0].number(1).unwrap_err();
    assert!(error.to_string().ends_with("the column 'label' must be a number, not empty"), "{error}");
}

#[test]
fn tables_can_have_other_encodings() {
    let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
    for (name, text) in [
        ("a.csv", "text;label\r\ncafé;a\r\n"),
        ("a.tsv", "café\ta\r\n"),
        ("a.jsonl", "{\"text\": \"café\", \"label\": \"a\"}\r\n"),
        ("a.csv.gz", "café,a\n"),
    ] {
        let marked = File::new(name, utf16(&format!("\u{feff}{text}")));
        assert_eq!(marked.texts(labeled()), [["café", "a"]], "{name}");
        let latin = File::new(name, text.chars().map(|c| c as u8).collect::<Vec<_>>());
        let table = Table::open_in(&latin.path, labeled(), "latin1".parse().unwrap()).unwrap();
        let rows: Vec<Row> = table.map(Result::unwrap).collect();
        assert_eq!((rows.len(), rows[0].text(0)), (1, "café"), "{name}");
        assert!(latin.read(labeled()).is_err(), "{name}: no UTF-8");
    }
    let error = File::new("a.csv", b"\xff\xfea\0,\0b\0\n\0\0\xd8").error(labeled());
    assert_eq!(error, "'a.csv' is not UTF-16LE text: invalid bytes at offset 10, line 2");
}

#[cfg(feature = "parquet")]
mod parquet_files {
    use std::sync::Arc;

    use parquet::{
        basic::Compression,
        data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type},
        file::{properties::WriterProperties, writer::SerializedFileWriter},
        schema::parser::parse_message_type,
    };

    use super::*;

    const SCHEMA: &str = "message schema {
        OPTIONAL BYTE_ARRAY text (UTF8);
        REQUIRED INT64 label;
        REQUIRED INT64 day (TIMESTAMP_MILLIS);
        OPTIONAL DOUBLE score;
        REQUIRED BYTE_ARRAY raw;
    }";

    /// Row groups of three rows each: texts (`None` is null), labels, scores.
    fn file(compression: Compression, groups: usize, text: [Option<&[u8]>; 3]) -> File {
        let mut bytes = Vec::new();
        let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
        let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        for group in 0..groups as i64 {
            let mut columns = writer.next_row_group().unwrap();
            let texts: Vec<ByteArray> = text.iter().flatten().map(|text| ByteArray::from(text.to_vec())).collect();
            let there: Vec<i16> = text.iter().map(|text| text.is_some().into()).collect();
            let numbers = [group, -1, 7];
            let raw = [&b"r"[..], b"\xff", b""].map(|raw| ByteArray::from(raw.to_vec()));
            let mut column = columns.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&texts, Some(&there), None).unwrap();
            column.close().unwrap();
            for _ in ["label", "day"] {
                let mut column = columns.next_column().unwrap().unwrap();
                column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
                column.close().unwrap();
            }
            let mut column = columns.next_column().unwrap().unwrap();
            column.typed::<DoubleType>().write_batch(&[4.5], Some(&[0, 1, 0]), None).unwrap();
            column.close().unwrap();
            let mut column = columns.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&raw, None, None).unwrap();
            column.close().unwrap();
            columns.close().unwrap();
        }
        writer.close().unwrap();
        File::new("a.parquet", bytes)
    }

    const TEXTS: [Option<&[u8]>; 3] = [Some("ein Bär".as_bytes()), Some(b""), Some(b"c")];

    #[test]
    fn rows_of_all_row_groups_are_read() {
        let compressions = [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::ZSTD(Default::default()),
            Compression::GZIP(Default::default()),
        ];
        for compression in compressions {
            let file = file(compression, 3, TEXTS);
            let columns = Columns::new(["label", "text"]).with_optional(["score", "none"]);
            let rows = file.texts(columns.clone());
            assert_eq!(rows.len(), 9, "{compression}");
            assert_eq!(rows[0], ["0", "ein Bär", "-", "-"]);
            assert_eq!(rows[4], ["-1", "", "4.5", "-"]);
            assert_eq!(rows[6], ["2", "ein Bär", "-", "-"]);
            assert_eq!(file.read(columns).unwrap()[8].place(), RowLocation::Row(9));
        }
    }

    #[test]
    fn errors_report_the_location() {
        let file = |text| file(Compression::SNAPPY, 2, text);
        let good = file(TEXTS);
        assert_eq!(
            good.error(Columns::new(["text", "topic"])),
            "'a.parquet' has no column 'topic': it has text, label, day, score, raw"
        );
        assert_eq!(
            good.error(Columns::new(["text", "day"])),
            "'a.parquet' is not a table of texts: its column 'day' is INT64 TIMESTAMP_MILLIS, not of texts, numbers or booleans"
        );
        assert_eq!(
            good.error(Columns::new(["raw"])),
            "'a.parquet', row 2: the column 'raw' must be UTF-8 text, not '\u{fffd}'"
        );
        assert_eq!(file([Some(b"a"), None, Some(b"c")]).texts(labeled())[..3], [["a", "0"], ["-", "-1"], ["c", "7"]]);
        assert_eq!(
            good.error(Columns::new(["text"]).with_optional(["topic"]).by_name()),
            "'a.parquet' has no column 'topic': it has text, label, day, score, raw"
        );
        let not_utf8 = file([Some(b"a"), Some(b"b\xff"), None]).error(labeled());
        assert!(not_utf8.starts_with("'a.parquet', row 2, is not a valid Parquet file: "), "{not_utf8}");
        let text = File::new("a.parquet", "text,label\n").error(labeled());
        assert!(text.starts_with("'a.parquet' is not a valid Parquet file: "), "{text}");
    }

    #[test]
    fn damaged_file_is_an_error() {
        let good = fs::read(&file(Compression::SNAPPY, 2, TEXTS).path).unwrap();
        for end in (0..good.len()).step_by(7) {
            assert!(File::new("a.parquet", &good[..end]).read(labeled()).is_err(), "{end} bytes");
        }
        for at in (0..good.len()).step_by(2) {
            for flip in [1, 0xff] {
                let mut bad = good.clone();
                bad[at] ^= flip;
                drop(File::new("a.parquet", bad).read(labeled())); // any result but a panic
            }
        }
    }
}
