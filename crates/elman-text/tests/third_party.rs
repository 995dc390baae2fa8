//! Third-party tokenizers: common kinds give the same results as the library, and harmful files are rejected.

use std::time::{Duration, Instant};

use elman_text::{TextError, TextTokenizer, Tokenizer};
use serde_json::{Value, json};
use tempfile::tempdir;

mod foreign;

const TEXTS: [&str; 7] = [
    "The cats sat. The cat ~ sat in New York  12 times",
    "",
    " ",
    "naïve 猫 🦀 ﬁnd\r\n\tthe\n",
    "[CLS] the [MASK] <s> <|endoftext|> the cat</s>",
    "e\u{301}e\u{301}\u{301}\u{301} ﷺ",
    "thethethe 'the' THE",
];

fn load(file: &Value) -> Result<TextTokenizer, TextError> {
    TextTokenizer::from_bytes(&serde_json::to_vec(file).unwrap(), "t.json")
}

/// The error of an invalid file, without its name.
fn load_error(file: &Value) -> String {
    let start = Instant::now();
    let error = load(file).unwrap_err().to_string();
    assert!(start.elapsed() < Duration::from_secs(5), "{error} after {:?}", start.elapsed());
    assert!(error.len() < 300 && !error.contains('\n'), "{error}");
    error.strip_prefix("the tokenizer 't.json' cannot be used: ").unwrap_or_else(|| panic!("{error}")).to_owned()
}

#[test]
fn every_kind_gives_the_same_tokens_and_texts_as_the_library() {
    let folder = tempdir().unwrap();
    for (name, file) in foreign::all() {
        let tokenizer = load(&file).unwrap();
        let library = tokenizers::Tokenizer::from_bytes(serde_json::to_vec(&file).unwrap()).unwrap();
        let path = folder.path().join(name);
        tokenizer.save(&path).unwrap();
        let again = TextTokenizer::load(&path).unwrap();
        let saved: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert_eq!(saved["post_processor"], file["post_processor"], "{name}: saved for other programs");
        for text in TEXTS {
            let expected = library.encode_fast(text, false).unwrap();
            let ids = tokenizer.encode(text).unwrap();
            assert_eq!(ids, expected.get_ids(), "{name} {text:?}");
            assert_eq!(again.encode(text).unwrap(), ids, "{name} {text:?}");
            if !ids.is_empty() {
                assert_eq!(tokenizer.decode(&ids).unwrap(), library.decode(&ids, false).unwrap(), "{name} {text:?}");
            }
        }
        let most = TEXTS.iter().map(|text| tokenizer.encode(text).unwrap().len()).max();
        assert!(most > Some(4), "{name}: the texts have tokens");
    }
}

#[test]
fn unknown_token_is_that_of_the_model() {
    let unknown = |file: Value| load(&file).unwrap().unknown_id();
    assert_eq!(unknown(foreign::bert()), Some(1));
    assert_eq!(unknown(foreign::gpt2()), None, "every byte is known");
    assert_eq!(unknown(foreign::t5()), Some(2));
    assert_eq!(unknown(foreign::llama()), Some(0));
    assert_eq!(unknown(foreign::words()), Some(0));
    let knows = |file: Value, text: &str| {
        let tokenizer = load(&file).unwrap();
        tokenizer.knows(&tokenizer.encode(text).unwrap())
    };
    for (text, known) in [("🐙", false), ("", false), ("[CLS] 🐙 [SEP]", false), ("🐙 cat", true), ("cat", true)]
    {
        assert_eq!(knows(foreign::bert(), text), known, "bert {text:?}");
    }
    assert!(!knows(foreign::words(), "🐙🐙 xyz"));
    assert!(knows(foreign::t5(), "🐙</s>"), "its space is a token");
    assert!(knows(foreign::gpt2(), "🐙") && knows(foreign::llama(), "🐙"), "bytes are known");
    assert!(!knows(foreign::gpt1(), "🐙 猫"));
}

#[test]
fn texts_that_steps_expand_too_much_are_rejected() {
    // each step doubles the text, a million times in total
    let doubling = json!({"type": "Replace", "pattern": {"Regex": "."}, "content": "aa"});
    let mut file = foreign::words();
    file["normalizer"] = json!({"type": "Sequence", "normalizers": vec![doubling.clone(); 20]});
    file["added_tokens"] = json!([]);
    let bomb = load(&file).unwrap();
    let error = bomb.encode("hello").unwrap_err().to_string();
    assert_eq!(error, "the tokenizer failed: the normalizer expands the text to more than 8 times its length");
    // the same for an added token, which is normalized when the file is loaded
    file["added_tokens"] = foreign::words()["added_tokens"].clone();
    assert_eq!(load_error(&file), "the normalizer expands the text to more than 8 times its length");
    // a factor of 64 in one step, detected before the step runs
    let mut file = foreign::words();
    file["normalizer"] = json!({"type": "Replace", "pattern": {"Regex": ""}, "content": "a".repeat(64)});
    let error = load(&file).unwrap().encode(&"hello ".repeat(100_000)).unwrap_err().to_string();
    assert!(error.ends_with("the normalizer expands the text to more than 8 times its length"), "{error}");
    let mut file = foreign::t5();
    file["normalizer"]["normalizers"][0]["precompiled_charsmap"] = foreign::charsmap(&"t".repeat(64)).into();
    let tokenizer = load(&file).unwrap();
    assert!(tokenizer.encode(&"~".repeat(100)).is_ok(), "a short text may grow");
    assert!(tokenizer.encode(&"~".repeat(100_000)).unwrap_err().to_string().contains("8 times its length"));
    // many short pieces, each expanded
    let mut file = foreign::llama();
    file["normalizer"] = json!({"type": "Prepend", "prepend": "a".repeat(64)});
    let error = load(&file).unwrap().encode(&"a<s>".repeat(100_000)).unwrap_err().to_string();
    assert!(error.ends_with("the normalizer expands the text to more than 8 times its length"), "{error}");
    // byte-level encoding of byte-level characters
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let mut file = foreign::words();
    file["pre_tokenizer"] = json!({"type": "Sequence", "pretokenizers": vec![level; 40]});
    let error = load(&file).unwrap().encode("猫猫猫猫").unwrap_err().to_string();
    assert!(error.ends_with("the pre-tokenizer expands the text to more than 8 times its length"), "{error}");
    let mut file = foreign::words();
    file["decoder"] = json!({"type": "Sequence", "decoders": vec![doubling; 20]});
    let error = load(&file).unwrap().decode(&[1, 2]).unwrap_err().to_string();
    assert!(error.ends_with("the decoder expands the text to more than 8 times its length"), "{error}");
}

#[test]
fn files_beyond_the_limits_are_rejected() {
    let with = |file: Value, pointer: &str, value: Value| {
        let mut file = file;
        *file.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        load_error(&file)
    };
    let long = || json!("x".repeat(5000));
    let (bert, llama, t5, words) = (foreign::bert, foreign::llama, foreign::t5, foreign::words);
    let prepend = "/normalizer/normalizers/0/prepend";
    assert_eq!(with(llama(), prepend, long()), "the normalizer's prepend has 5000 bytes, but the maximum is 64");
    let pattern = "/normalizer/normalizers/1/pattern/String";
    assert_eq!(with(llama(), pattern, long()), "a pattern of the normalizer has 5000 bytes, but the maximum is 4096");
    assert_eq!(with(bert(), "/model/unk_token", long()), "the model's unk_token has 5000 bytes, but the maximum is 64");
    assert_eq!(
        with(bert(), "/model/max_input_chars_per_word", json!(4_000_000_000_u32)),
        "max_input_chars_per_word is 4000000000, but the maximum is 512"
    );
    assert_eq!(with(t5(), "/model/vocab/4/0", long()), "a token has 5000 bytes, but the maximum is 512");
    assert!(with(t5(), "/model/unk_id", json!(99)).contains("UnkIdNotInVocabulary"));
    assert!(with(bert(), "/model/vocab/cat", json!(4_294_967_295_u32)).contains("the id 4294967295"));
    let map = "/normalizer/normalizers/0/precompiled_charsmap";
    // claims a trie of 4 GB that the file does not contain
    assert_eq!(with(t5(), map, json!("/////w==")), "precompiled_charsmap is truncated");
    assert_eq!(with(t5(), map, json!("")), "precompiled_charsmap is truncated");
    assert!(with(t5(), map, json!("§")).starts_with("precompiled_charsmap is not base64"));
    let texts = foreign::charsmap(&"t".repeat(65));
    assert_eq!(with(t5(), map, json!(texts)), "precompiled_charsmap has a text of 65 bytes, but the maximum is 64");
    let steps = json!({"type": "Sequence", "normalizers": vec![json!({"type": "NFC"}); 300]});
    assert_eq!(with(words(), "/normalizer", steps), "the normalizer has more than 256 steps");
    let nested =
        |n| (0..n).fold(json!({"type": "NFC"}), |inner, _| json!({"type": "Sequence", "normalizers": [inner]}));
    assert_eq!(with(words(), "/normalizer", nested(20)), "the normalizer's steps are nested more than 16 deep");
    // deeper than the JSON parser allows
    let deep =
        serde_json::to_string(&words()).unwrap().replacen("null", &("[".repeat(1 << 20) + &"]".repeat(1 << 20)), 1);
    let error = TextTokenizer::from_bytes(deep.as_bytes(), "t.json").unwrap_err().to_string();
    assert!(error.contains("recursion limit"), "{error}");
    assert_eq!(with(words(), "/decoder", json!(vec![json!({}); 300_000])), "the file has more than 262144 objects");
    // files that make the library panic, for any text or for some
    let merges = json!([["t".repeat(100_000), "h"]]);
    assert!(with(llama(), "/model/merges", merges).starts_with("Token `ttttttttt"), "a long token is truncated");
    assert!(with(words(), "/pre_tokenizer/pretokenizers/5/length", json!(0)).starts_with("it causes a panic: "));
    let mut strip = llama();
    strip["decoder"] = json!({"type": "Strip", "content": "h", "start": 1, "stop": 1});
    let error = load(&strip).unwrap().decode(&[4]).unwrap_err().to_string();
    assert!(error.starts_with("the tokenizer failed: it panicked: "), "{error}");
}

#[test]
fn settings_that_change_the_tokens_are_ignored() {
    let mut file = foreign::gpt2();
    file["model"]["dropout"] = json!(1.0);
    file["truncation"] = json!({"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0});
    file["padding"] = json!({"strategy": {"Fixed": 1_000_000_000}, "direction": "Right", "pad_to_multiple_of": null,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "x"});
    file["post_processor"] = json!({"type": "TemplateProcessing", "special_tokens": {},
        "single": vec![json!({"Sequence": {"id": "A", "type_id": 0}}); 1000],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}]});
    let plain = load(&foreign::gpt2()).unwrap();
    assert_eq!(load(&file).unwrap().encode("the the").unwrap(), plain.encode("the the").unwrap());
}
