//! Corpora: files, directories, chunks, and error messages.

use std::{fs, path::Path};

use elman_text::{Corpus, Encoding, Find, TextCounts, TextError, Tokenizer, TokenizerConfig, Unit};
use tempfile::tempdir;

fn open_in(path: &Path, encoding: &str) -> Corpus {
    Corpus::open_with(&Find::new().with_encoding(encoding.parse().unwrap()), [path]).unwrap()
}

fn open(path: &Path) -> Result<Corpus, TextError> {
    Corpus::open([path])
}

#[test]
fn files_and_directories_are_read_in_order() {
    let folder = tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("b/deep")).unwrap();
    for (name, text) in
        [("b/deep/x", "3\n"), ("a.txt", "1\n"), ("b/a", "2"), (".hidden", "no"), ("empty", ""), ("z", "4")]
    {
        fs::write(at(name), text).unwrap();
    }
    fs::write(at("picture"), b"\x89PNG\0\0").unwrap();
    let corpus = open(folder.path()).unwrap();
    let names: Vec<_> = corpus.paths().map(|p| p.strip_prefix(folder.path()).unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["a.txt", "b/a", "b/deep/x", "z"]);
    let lines: Vec<String> = corpus.lines().collect::<Result<_, _>>().unwrap();
    assert_eq!(lines, ["1", "2", "3", "4"]);
    // word tokenizers end the last line of each file, character tokenizers do not
    let words = TokenizerConfig::new(Unit::Word).train(&corpus).unwrap();
    assert_eq!(words.decode(&corpus.encode(&words).unwrap().iter().collect::<Vec<_>>()).unwrap(), "1\n2\n3\n4\n");
    let chars = TokenizerConfig::new(Unit::Char).train(&corpus).unwrap();
    assert_eq!(chars.decode(&corpus.encode(&chars).unwrap().iter().collect::<Vec<_>>()).unwrap(), "1\n23\n4");
}

#[test]
fn concatenated_chunks_are_the_text() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    for text in [
        "one line".to_owned(),
        "ends\r\nwith\r\n".to_owned(),
        "🦀 ".repeat(1_000_000),
        "é".repeat(2_000_000),
        "short\n\n".repeat(100_000),
    ] {
        fs::write(&path, &text).unwrap();
        let corpus = open(&path).unwrap();
        let pieces: Vec<String> = corpus.pieces().collect::<Result<_, _>>().unwrap();
        assert!(pieces.iter().all(|p| p.len() <= 1 << 20), "pieces are bounded");
        assert!(pieces.concat() == text);
        assert_eq!(corpus.bytes(), text.len() as u64);
    }
}

#[test]
fn byte_order_mark_is_skipped() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    fs::write(&path, "\u{feff}hello\n").unwrap();
    let corpus = open(&path).unwrap();
    assert_eq!(corpus.lines().next().unwrap().unwrap(), "hello");
    assert_eq!((corpus.bytes(), corpus.count().unwrap().bytes, corpus.text_bytes().unwrap()), (9, 6, 6));
    fs::write(&path, "\u{feff}").unwrap();
    assert!(matches!(open(&path), Err(TextError::Empty { .. })), "nothing but a mark");
}

#[test]
fn lines_are_whole_and_counted() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    let long = "é ".repeat(1_000_000);
    let text = format!("one\r\n\n{long}\nlast\r");
    fs::write(&path, &text).unwrap();
    let corpus = Corpus::open([&path, &path]).unwrap();
    let lines: Vec<String> = corpus.lines().collect::<Result<_, _>>().unwrap();
    assert!(lines == ["one", "", &*long, "last", "one", "", &*long, "last"]);
    let (bytes, characters) = (2 * text.len() as u64, 2 * text.chars().count() as u64);
    assert_eq!(corpus.count().unwrap(), TextCounts { bytes, characters, lines: 8 });
}

#[test]
fn errors_report_file_and_location() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    let message = || open(&path).unwrap_err().to_string();
    assert!(message().starts_with(&format!("cannot read '{}': No such file", path.display())));
    fs::write(&path, "").unwrap();
    assert_eq!(message(), format!("'{}' is empty", path.display()));
    fs::create_dir(folder.path().join("none")).unwrap();
    let none = open(&folder.path().join("none")).unwrap_err().to_string();
    assert!(none.ends_with("has no text files"), "{none}");

    for (lines, tail) in [(2_usize, "caf\u{e9}"), (50_000, "x")] {
        let mut bytes = "line\n".repeat(lines).into_bytes();
        bytes.extend(tail.bytes());
        let offset = bytes.len();
        bytes.extend(b"\xff\xfe more");
        fs::write(&path, &bytes).unwrap();
        let corpus = open(&path).unwrap();
        let error = corpus.pieces().find_map(Result::err).expect("invalid").to_string();
        let place = format!(
            "is not UTF-8 text: invalid bytes at offset {offset}, line {}: pass its encoding with --encoding, or \
             convert it to UTF-8",
            lines + 1
        );
        assert!(error.ends_with(&place), "{error}");
        assert_eq!(corpus.pieces().filter(Result::is_err).count(), 1, "reading ends there");
        for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
            let error = TokenizerConfig::new(unit).train(&corpus).expect_err("invalid");
            assert!(matches!(error, TextError::NotText { .. }), "{error}");
        }
    }
}

#[test]
fn files_of_directories_with_invalid_text_are_left_out() {
    let folder = tempdir().unwrap();
    let line = "a line of text\n".repeat(200_000);
    fs::write(folder.path().join("a.txt"), &line).unwrap();
    fs::write(folder.path().join("b.txt"), [line.as_bytes(), b"caf\xe9\n"].concat()).unwrap();
    let corpus = open(folder.path()).unwrap();
    assert_eq!(corpus.bytes(), line.len() as u64);
    let left_out: Vec<String> = corpus.left_out().map(|left_out| left_out.reason.to_string()).collect();
    assert_eq!(left_out, ["is not UTF-8 text: invalid bytes at offset 3000003, line 200001"]);
    let twice = corpus.clone().chain(corpus);
    assert_eq!((twice.paths().count(), twice.left_out().count()), (2, 2));
    fs::remove_file(folder.path().join("a.txt")).unwrap();
    assert!(matches!(open(folder.path()), Err(TextError::NotText { line: 200_001, .. })));
}

#[test]
fn tables_of_a_directory_are_found() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [
        ("a.txt", &b"text"[..]),
        ("b.parquet", b"PAR1\0\0"),
        ("c.png", b"\x89PNG\0"),
        ("d.csv", b"text\n"),
        ("e.csv", b""),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let named = |paths: Vec<std::path::PathBuf>| -> Vec<String> {
        paths.iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
    };
    let found = Find::new().with_tables().find([folder.path()]).unwrap();
    assert_eq!(named(found.files.into_iter().map(|file| file.path).collect()), ["a.txt", "b.parquet", "d.csv"]);
    let texts = Corpus::open([folder.path()]).unwrap();
    assert_eq!(named(texts.paths().map(Into::into).collect()), ["a.txt", "d.csv"]);
}

/// UTF-16 with a byte order mark.
fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(bytes).collect()
}

#[test]
fn other_encodings_are_read_by_byte_order_mark_or_name() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("text");
    // characters and line endings that cross buffer boundaries
    let text = "naïve 🦀 café\r\nzwei\n".repeat(20_000);
    let whole = |corpus: &Corpus| corpus.pieces().collect::<Result<Vec<String>, _>>().unwrap().concat();
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        fs::write(&path, utf16(&text, bytes)).unwrap();
        let corpus = open(folder.path()).unwrap();
        assert!(whole(&corpus) == text);
        let counts = corpus.count().unwrap();
        assert_eq!((counts.bytes, counts.lines), (text.len() as u64, 40_000));
        assert_eq!(corpus.text_bytes().unwrap(), counts.bytes);
        assert_eq!(corpus.lines().nth(1).unwrap().unwrap(), "zwei");
        let tokenizer = TokenizerConfig::new(Unit::Char).train(&corpus).unwrap();
        let tokens = corpus.encode(&tokenizer).unwrap();
        assert_eq!((tokens.bytes(), tokens.characters()), (counts.bytes, counts.characters));
    }
    let half = [utf16("a\nb", u16::to_le_bytes), vec![0x41]].concat();
    fs::write(&path, half).unwrap();
    let error = open(&path).unwrap().count().unwrap_err().to_string();
    assert!(error.ends_with("is not UTF-16LE text: invalid bytes at offset 8, line 2"), "{error}");

    let latin: Vec<u8> = text.chars().filter(|c| *c != '🦀').map(|c| c as u8).collect();
    fs::write(&path, latin).unwrap();
    let corpus = open_in(&path, "windows-1252");
    assert!(whole(&corpus) == text.replace('🦀', ""));
    let error = "windows".parse::<Encoding>().unwrap_err().to_string();
    assert!(error.starts_with("unknown encoding 'windows': expected one such as utf-8"), "{error}");
    // a UTF-8 byte order mark takes precedence over a name
    fs::write(&path, "\u{feff}café").unwrap();
    assert_eq!(whole(&open_in(&path, "latin1")), "café");
}

#[test]
fn modifying_a_file_between_reads_is_an_error() {
    let folder = tempdir().unwrap();
    let [path, other] = ["text", "other"].map(|name| folder.path().join(name));
    let text = "a line of some length\n".repeat(100_000);
    fs::write(&path, &text).unwrap();
    fs::write(&other, "other").unwrap();
    let corpus = Corpus::open([&path, &other]).unwrap();
    let before = text.len() as u64;
    let mut pieces = corpus.pieces();
    pieces.next().unwrap().unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(10).unwrap();
    let error = pieces.find_map(Result::err).unwrap();
    assert!(matches!(error, TextError::Changed { before: b, after: 10, .. } if b == before), "{error}");
    let expected = format!("'{}' changed while it was read (from {before} to 10 bytes): try", path.display());
    assert!(error.to_string().starts_with(&expected), "{error}");
    for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
        let error = TokenizerConfig::new(unit).train(&corpus).expect_err("changed");
        assert!(matches!(error, TextError::Changed { .. }), "{error}");
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(corpus.count().unwrap_err(), TextError::Read { .. }));
    // appended text is not read
    let corpus = open(&other).unwrap();
    fs::write(&other, "other and more").unwrap();
    assert_eq!(corpus.count().unwrap().bytes, 5);
}

#[cfg(unix)]
#[test]
fn devices_are_an_error() {
    let error = open(Path::new("/dev/null")).unwrap_err().to_string();
    assert_eq!(error, "cannot read '/dev/null': it is a device, not a regular file");
}
