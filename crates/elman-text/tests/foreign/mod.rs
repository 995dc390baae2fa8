//! Small tokenizers of common kinds.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

fn vocabulary<T: ToString>(tokens: impl IntoIterator<Item = T>) -> Value {
    tokens.into_iter().enumerate().map(|(id, token)| (token.to_string(), json!(id))).collect::<Map<_, _>>().into()
}

fn added(id: u32, content: &str, special: bool) -> Value {
    json!({"id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false, "normalized": !special,
        "special": special})
}

fn file(parts: Value) -> Value {
    let mut file = json!({"version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null});
    file.as_object_mut().unwrap().extend(parts.as_object().unwrap().clone());
    file
}

/// SentencePiece's character map with a single replacement, of `~`: a darts-clone trie with the root at 0 and its
/// children from 256.
pub fn charsmap(replacement: &str) -> String {
    let mut trie = [0_u32; 512];
    let child = 256 ^ u32::from(b'~');
    trie[0] = 256 << 10;
    trie[child as usize] = u32::from(b'~') | 1 << 8 | 1 << 10;
    trie[(child ^ 1) as usize] = 1 << 31;
    let mut bytes = (4 * trie.len() as u32).to_le_bytes().to_vec();
    bytes.extend(trie.iter().flat_map(|unit| unit.to_le_bytes()));
    bytes.extend(replacement.bytes().chain([0]));
    BASE64_STANDARD.encode(bytes)
}

/// Like BERT: WordPiece.
pub fn bert() -> Value {
    file(json!({
        "added_tokens": [added(0, "[PAD]", true), added(1, "[UNK]", true), added(2, "[CLS]", true), added(3, "[SEP]", true)],
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": null,
            "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
        "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "the", "cat", "##s", "sat", "a", "##a", ".", "1", "##2"])},
    }))
}

/// Like GPT-2: byte-level BPE.
pub fn gpt2() -> Value {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let tokens = alphabet.iter().map(char::to_string);
    file(json!({
        "added_tokens": [added(259, "<|endoftext|>", true)],
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
        "post_processor": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": false, "use_regex": true},
        "decoder": {"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary(tokens.chain(["th", "the", "Ġthe"].map(String::from))),
            "merges": ["t h", "th e", "Ġ the"]},
    }))
}

/// Like T5: a SentencePiece unigram model.
pub fn t5() -> Value {
    let pieces: Vec<(&str, f64)> = vec![
        ("<pad>", 0.0),
        ("</s>", 0.0),
        ("<unk>", 0.0),
        ("▁", -2.0),
        ("▁the", -3.0),
        ("cat", -4.5),
        ("▁cat", -4.0),
        ("s", -3.5),
        ("t", -4.0),
        ("i", -4.25),
        ("a", -5.0),
        ("▁sat", -6.0),
        (".", -3.0),
    ];
    file(json!({
        "added_tokens": [added(0, "<pad>", true), added(1, "</s>", true), added(2, "<unk>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Precompiled", "precompiled_charsmap": charsmap("ti")},
            {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}]},
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 2, "vocab": pieces, "byte_fallback": false},
    }))
}

/// Like Llama: SentencePiece BPE with byte fallback.
pub fn llama() -> Value {
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let tokens = ["<unk>", "<s>", "▁", "t", "h", "e", "a", "c", "th", "the", "▁the"].map(String::from);
    file(json!({
        "added_tokens": [added(0, "<unk>", true), added(1, "<s>", true)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true, "ignore_merges": false,
            "vocab": vocabulary(tokens.into_iter().chain(bytes)),
            "merges": [["t", "h"], ["th", "e"], ["▁", "the"]]},
    }))
}

/// Like the first GPT: character BPE with an end-of-word suffix.
pub fn gpt1() -> Value {
    file(json!({
        "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true, "strip_accents": true,
            "lowercase": true},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
        "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false,
            "vocab": vocabulary(["<unk>", "t", "h", "e</w>", "th", "the</w>", "a", "a</w>", "c", "s</w>"]),
            "merges": ["t h", "th e</w>"]},
    }))
}

/// Words, with most of the remaining kinds of steps.
pub fn words() -> Value {
    file(json!({
        "added_tokens": [added(5, "New York", false)],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKD"}, {"type": "StripAccents"}, {"type": "Lowercase"},
            {"type": "Strip", "strip_left": true, "strip_right": true}, {"type": "Nmt"}, {"type": "NFC"},
            {"type": "Replace", "pattern": {"Regex": "\\s+"}, "content": " "}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "'s|\\p{L}+|\\p{N}+|[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"},
                "behavior": "Isolated", "invert": false},
            {"type": "WhitespaceSplit"}, {"type": "Punctuation", "behavior": "Isolated"},
            {"type": "Digits", "individual_digits": true}, {"type": "UnicodeScripts"}, {"type": "FixedLength", "length": 9}]},
        "post_processor": {"type": "Sequence", "processors": [{"type": "BertProcessing", "sep": ["the", 1], "cls": ["cat", 2]}]},
        "decoder": {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": true},
        "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": vocabulary(["[UNK]", "the", "cat", "sat", "1"])},
    }))
}

/// All tokenizers, by name.
pub fn all() -> [(&'static str, Value); 6] {
    [("bert", bert()), ("gpt2", gpt2()), ("t5", t5()), ("llama", llama()), ("gpt1", gpt1()), ("words", words())]
}
