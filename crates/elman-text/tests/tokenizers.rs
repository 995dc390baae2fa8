//! Tokenizers: round trips, files, and token counts of real texts.

use std::{collections::HashSet, fs, path::PathBuf};

use elman_testkit::shared;
use elman_text::{Corpus, TextError, TextTokenizer, Tokenizer, TokenizerConfig, Unit};
use proptest::prelude::*;
use tempfile::{TempDir, tempdir};

const TEXT: &str = "the cat sat on the mat\nthe dog sat\n\n  über 猫 🦀 naïve\n";

fn corpus(text: &str) -> (TempDir, Corpus) {
    let folder = tempdir().expect("folder");
    let path = folder.path().join("text.txt");
    fs::write(&path, text).expect("write");
    let corpus = Corpus::open([path]).expect("open");
    (folder, corpus)
}

fn train(unit: Unit, text: &str) -> TextTokenizer {
    TokenizerConfig::new(unit).train(&corpus(text).1).expect("train")
}

#[test]
fn characters_round_trip_and_unknown_ones_are_marked() {
    let tokenizer = train(Unit::Char, TEXT);
    assert_eq!(tokenizer.decode(&tokenizer.encode(TEXT).unwrap()).unwrap(), TEXT);
    let distinct: HashSet<char> = TEXT.chars().collect();
    assert_eq!(tokenizer.vocab_size(), distinct.len() + 1);
    assert_eq!(tokenizer.encode("tXt").unwrap()[1], tokenizer.token_to_id("<unk>").unwrap());
}

#[test]
fn words_follow_the_wikitext_convention() {
    let tokenizer = train(Unit::Word, TEXT);
    let tokens = |text: &str| -> Vec<String> {
        tokenizer.encode(text).unwrap().into_iter().map(|id| tokenizer.id_to_token(id).unwrap()).collect()
    };
    assert_eq!(tokens("the  cat\tflew\nthe\n\n"), ["the", "cat", "<unk>", "<eos>", "the", "<eos>", "<eos>"]);
    assert_eq!(tokens("the cat"), ["the", "cat"], "no line feed, no <eos>");
    assert_eq!(tokenizer.decode(&tokenizer.encode("the cat\nthe dog\n").unwrap()).unwrap(), "the cat\nthe dog\n");
    // special tokens, then by frequency, then by first occurrence
    let first: Vec<_> = (0..5).map(|id| tokenizer.id_to_token(id).unwrap()).collect();
    assert_eq!(first, ["<unk>", "<eos>", "the", "sat", "cat"]);
}

#[test]
fn vocabulary_can_be_limited() {
    let (_folder, corpus) = corpus(TEXT);
    let limited = TokenizerConfig::new(Unit::Word).with_vocab_size(4).train(&corpus).unwrap();
    assert_eq!(limited.vocab_size(), 4);
    let frequent = TokenizerConfig::new(Unit::Word).with_min_frequency(2).train(&corpus).unwrap();
    assert_eq!(frequent.vocab_size(), 4, "<unk> <eos> the sat");
    for (unit, size, least) in [(Unit::Char, 0, 2), (Unit::Word, 0, 3), (Unit::Word, 2, 3), (Unit::Bpe, 255, 256)] {
        let error = TokenizerConfig::new(unit).with_vocab_size(size).train(&corpus).expect_err("too small");
        let expected = format!("a vocabulary of {size} is too small: {unit} tokens need at least {least}");
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn training_is_deterministic() {
    let text = TEXT.repeat(50);
    for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
        let json = |n: usize| {
            let (folder, corpus) = corpus(&text);
            let path = folder.path().join(format!("{n}.json"));
            TokenizerConfig::new(unit).with_vocab_size(300).train(&corpus).unwrap().save(&path).unwrap();
            fs::read(path).unwrap()
        };
        assert_eq!(json(0), json(1), "{unit}");
    }
}

#[test]
fn saved_tokenizer_and_library_give_the_same_ids() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
        let tokenizer = train(unit, TEXT);
        tokenizer.save(&path).unwrap();
        let back = TextTokenizer::load(&path).unwrap();
        assert_eq!(back.unit(), unit);
        let library = tokenizers::Tokenizer::from_file(&path).unwrap();
        for text in [TEXT, "", "\n", "a\r\nb", "the <unk> cat", " x  y\n\n"] {
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(back.encode(text).unwrap(), ids, "{unit} {text:?}");
            assert_eq!(library.encode(text, false).unwrap().get_ids(), ids, "{unit} {text:?}");
        }
    }
}

#[test]
fn streams_emit_whole_characters_and_the_same_text() {
    for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
        let tokenizer = train(unit, TEXT);
        let text = "the cat 🦀猫 sat\nthe dog\n";
        let ids = tokenizer.encode(text).unwrap();
        let mut stream = tokenizer.decode_stream();
        let mut out = String::new();
        for id in &ids {
            let piece = stream.push(*id).unwrap();
            assert!(!piece.contains(char::REPLACEMENT_CHARACTER));
            out += &piece;
        }
        out += &stream.finish().unwrap();
        assert_eq!(out, tokenizer.decode(&ids).unwrap(), "{unit}");
    }
}

#[test]
fn unknown_ids_are_errors() {
    let tokenizer = train(Unit::Char, "abc");
    let text = "token 9 is unknown: the vocabulary has 4 tokens, 0 to 3";
    assert_eq!(tokenizer.decode(&[0, 9]).unwrap_err().to_string(), text);
    assert_eq!(tokenizer.decode_stream().push(9).unwrap_err().to_string(), text);
}

#[test]
fn tokenizer_files_are_checked() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let load = |text: &str| {
        fs::write(&path, text).unwrap();
        TextTokenizer::load(&path).unwrap_err().to_string()
    };
    for text in ["", "{", "[]", "{\"model\": 1}"] {
        let error = load(text);
        assert!(error.contains("cannot be used") && !error.contains('\n'), "{error}");
    }
    train(Unit::Char, "abc").save(&path).unwrap();
    let gap = fs::read_to_string(&path).unwrap().replace("\"c\": 3", "\"c\": 7");
    assert!(load(&gap).contains("the id 7: ids must be 0 to 3"));
    assert!(matches!(TextTokenizer::load(folder.path().join("no")), Err(TextError::Read { .. })));
    fs::File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let huge = TextTokenizer::load(&path).unwrap_err().to_string();
    assert!(huge.contains("it has 1099511627776 bytes, more than the limit of 268435456"), "{huge}");
    let nowhere = folder.path().join("no/tokenizer.json");
    let error = train(Unit::Char, "abc").save(&nowhere).unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot write '{}': ", nowhere.display())), "{error}");
}

#[test]
fn third_party_files_give_the_same_ids_as_the_library() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tokenizer.json");
    let edits: [(Unit, &str, &str, Unit); 6] = [
        // similar to our files, but not equivalent
        (Unit::Char, r"[\\s\\S]", r"\\w", Unit::Other),
        (Unit::Word, r#""String": "\n""#, r#""String": "\t""#, Unit::Other),
        (Unit::Word, r#""unk_token": "<unk>""#, r#""unk_token": "<eos>""#, Unit::Other),
        (
            Unit::Char,
            r#""added_tokens": []"#,
            r#""added_tokens": [{"id": 1, "content": "the", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": false}]"#,
            Unit::Other,
        ),
        // settings for model inputs, which do not affect tokenization
        (
            Unit::Bpe,
            r#""truncation": null"#,
            r#""truncation": {"direction": "Right", "max_length": 2, "strategy": "LongestFirst", "stride": 0}"#,
            Unit::Bpe,
        ),
        (
            Unit::Bpe,
            r#""padding": null"#,
            r#""padding": {"strategy": {"Fixed": 500}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
                "pad_type_id": 0, "pad_token": "x"}"#,
            Unit::Bpe,
        ),
    ];
    for (unit, from, to, expected) in edits {
        train(unit, TEXT).save(&path).unwrap();
        let json = fs::read_to_string(&path).unwrap();
        assert!(json.contains(from), "{from} in {json}");
        fs::write(&path, json.replace(from, to)).unwrap();
        let tokenizer = TextTokenizer::load(&path).unwrap();
        assert_eq!(tokenizer.unit(), expected, "{to}");
        let mut library = tokenizers::Tokenizer::from_file(&path).unwrap();
        library.with_truncation(None).unwrap().with_padding(None);
        assert_eq!(tokenizer.encode(TEXT).unwrap(), library.encode(TEXT, false).unwrap().get_ids(), "{to}");
    }
}

#[test]
fn units_have_names() {
    for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
        assert_eq!(unit.to_string().parse::<Unit>().unwrap(), unit);
        assert_eq!(serde_json::to_string(&unit).unwrap(), format!("\"{unit}\""));
    }
    let unknown = "unknown kind of token 'other': expected char, word or bpe";
    assert_eq!("other".parse::<Unit>().unwrap_err().to_string(), unknown);
    let untrained = TokenizerConfig::new(Unit::Other).train(&corpus(TEXT).1).expect_err("other");
    assert_eq!(untrained.to_string(), unknown);
}

#[test]
fn chunks_of_a_corpus_have_the_tokens_of_the_whole() {
    for lines in
        [" the cat \n", "the cat sat\r\n", "the cat\n\n\nthe dog\n", "über 猫\n  🦀🦀\n", "猫、犬。\n\n", "\tx\n"]
    {
        let text = lines.repeat(300_000 / lines.len());
        let (_folder, corpus) = corpus(&text);
        assert!(corpus.pieces().count() > 3);
        for unit in [Unit::Char, Unit::Word, Unit::Bpe] {
            let tokenizer = TokenizerConfig::new(unit).with_vocab_size(300).train(&corpus).unwrap();
            let whole = tokenizer.encode(&text).unwrap();
            assert!(corpus.encode(&tokenizer).unwrap().iter().eq(whole), "{unit} {lines:?}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_round_trips_through_bytes(text in any::<String>()) {
        thread_local!(static BPE: TextTokenizer = train(Unit::Bpe, TEXT));
        let back = BPE.with(|t| t.decode(&t.encode(&text).unwrap()).unwrap());
        prop_assert_eq!(back, text);
    }

    #[test]
    fn stream_yields_the_text_of_all_tokens(ids in prop::collection::vec(0..256_u32, 0..40), text in any::<String>()) {
        thread_local!(static BPE: TextTokenizer = train(Unit::Bpe, TEXT));
        BPE.with(|tokenizer| {
            // mostly invalid bytes, then valid ones
            let ids = [ids, tokenizer.encode(&text).unwrap()].concat();
            let mut stream = tokenizer.decode_stream();
            let mut out: String = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
            out += &stream.finish().unwrap();
            prop_assert_eq!(out, tokenizer.decode(&ids).unwrap());
            Ok(())
        })?;
    }

    #[test]
    fn any_text_round_trips_through_its_own_characters(text in any::<String>().prop_filter("text", |t| !t.is_empty())) {
        let tokenizer = train(Unit::Char, &text);
        // a byte order mark at the beginning of a file is skipped
        let text = text.trim_start_matches('\u{feff}');
        prop_assume!(!text.is_empty());
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(text).unwrap()).unwrap(), text);
    }
}

#[test]
fn wikitext_counts_match_pytorch() {
    let Some(path) = shared("data/wikitext2/valid.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (train_lines, valid) = lines.split_at(lines.len() - 400);
    let folder = tempdir().unwrap();
    let write = |name: &str, lines: &[&str]| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, lines.concat()).unwrap();
        path
    };
    let paths = [write("train", train_lines), write("valid", valid)];
    let both = Corpus::open(&paths).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Word).train(&both).unwrap();
    let train = Corpus::open(&paths[..1]).unwrap().encode(&tokenizer).unwrap();
    assert_eq!(train.len() / 20 * 20, 194_220, "in 20 rows, as torch_lm.py prints");
    let words: HashSet<&str> = text.split_whitespace().collect();
    // `<unk>` is a word of this text; `<eos>` is not
    assert_eq!(tokenizer.vocab_size(), words.len() + 1);
    assert_eq!(both.encode(&tokenizer).unwrap().len(), text.split_whitespace().count() + lines.len());
}

#[test]
fn tinyshakespeare_counts_are_as_published() {
    let Some(path) = shared("data/tinyshakespeare.txt") else { return };
    let corpus = Corpus::open([&path]).unwrap();
    let tokenizer = TokenizerConfig::new(Unit::Char).train(&corpus).unwrap();
    assert_eq!(tokenizer.vocab_size(), 65 + 1);
    let tokens = corpus.encode(&tokenizer).unwrap();
    assert_eq!((tokens.len(), tokens.characters(), tokens.bytes()), (1_115_394, 1_115_394, 1_115_394));
    // chunks give the same tokens as the whole
    let bpe = TokenizerConfig::new(Unit::Bpe).with_vocab_size(400).train(&corpus).unwrap();
    let whole = bpe.encode(&fs::read_to_string(path).unwrap()).unwrap();
    assert!(corpus.encode(&bpe).unwrap().iter().eq(whole));
}
