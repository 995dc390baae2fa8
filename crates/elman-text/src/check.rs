//! Limits of a `tokenizer.json`, checked before anything is built from it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// Maximum bytes of a text that a step inserts, and of a model's unknown token, prefix and suffix.
pub(crate) const MAX_TEXT_BYTES: usize = 64;
/// Maximum bytes of a step's pattern.
const MAX_PATTERN_BYTES: usize = 4096;
/// Maximum number and nesting depth of the steps of a normalizer, pre-tokenizer or decoder.
const MAX_STEPS: usize = 256;
const MAX_DEPTH: usize = 16;
/// Maximum number of regular expressions in all steps; each may take a few megabytes.
const MAX_EXPRESSIONS: usize = 32;
/// Maximum bytes of a token. Word tokenizers have tokens of this size if the text has such words.
const MAX_TOKEN_BYTES: usize = 1 << 20;
/// Maximum bytes of a unigram model's token: each is a path in a trie that is dropped recursively, and lookup time is
/// quadratic in the longest.
const MAX_UNIGRAM_BYTES: usize = 512;
/// Maximum characters of a word that WordPiece splits, which takes cubic time.
const MAX_WORD_CHARS: u64 = 512;

/// Maximum number of objects in a file; each takes half a kilobyte of memory, however short it is.
const MAX_OBJECTS: usize = 1 << 18;

/// Checks the file before it is parsed.
pub(crate) fn check_size(file: &[u8]) -> Result<(), String> {
    match file.iter().filter(|byte| **byte == b'{').count() > MAX_OBJECTS {
        true => Err(format!("the file has more than {MAX_OBJECTS} objects")),
        false => Ok(()),
    }
}

/// Checks the limits of a parsed file.
pub(crate) fn check(file: &Value) -> Result<(), String> {
    let mut expressions = 0;
    for part in ["normalizer", "pre_tokenizer", "decoder"] {
        let mut steps = 0;
        check_steps(part, &file[part], 0, &mut steps, &mut expressions)?;
    }
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        check_length("an added token", token["content"].as_str(), MAX_TOKEN_BYTES)?;
    }
    let model = &file["model"];
    for field in ["unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
        check_length(&format!("the model's {field}"), model[field].as_str(), MAX_TEXT_BYTES)?;
    }
    if let Some(found) = model["max_input_chars_per_word"].as_u64().filter(|found| *found > MAX_WORD_CHARS) {
        return Err(format!("max_input_chars_per_word is {found}, but the maximum is {MAX_WORD_CHARS}"));
    }
    match &model["vocab"] {
        Value::Object(tokens) => {
            tokens.keys().try_for_each(|token| check_length("a token", Some(token), MAX_TOKEN_BYTES))
        }
        Value::Array(pieces) => {
            pieces.iter().try_for_each(|piece| check_length("a token", piece[0].as_str(), MAX_UNIGRAM_BYTES))
        }
        _ => Ok(()),
    }
}

fn check_length(what: &str, text: Option<&str>, max: usize) -> Result<(), String> {
    match text {
        Some(text) if text.len() > max => Err(format!("{what} has {} bytes, but the maximum is {max}", text.len())),
        _ => Ok(()),
    }
}

fn check_steps(
    part: &str,
    value: &Value,
    depth: usize,
    steps: &mut usize,
    expressions: &mut usize,
) -> Result<(), String> {
    if depth > 2 * MAX_DEPTH {
        return Err(format!("the {part}'s steps are nested more than {MAX_DEPTH} deep"));
    }
    let fields = match value {
        Value::Array(values) => {
            return values.iter().try_for_each(|value| check_steps(part, value, depth + 1, steps, expressions));
        }
        Value::Object(fields) => fields,
        _ => return Ok(()),
    };
    *steps += 1;
    if *steps > MAX_STEPS {
        return Err(format!("the {part} has more than {MAX_STEPS} steps"));
    }
    for (name, value) in fields {
        let Some(text) = value.as_str() else {
            check_steps(part, value, depth + 1, steps, expressions)?;
            continue;
        };
        match name.as_str() {
            "precompiled_charsmap" => check_charsmap(text)?,
            "String" | "Regex" => {
                *expressions += usize::from(name == "Regex");
                check_length(&format!("a pattern of the {part}"), Some(text), MAX_PATTERN_BYTES)?;
            }
            _ => check_length(&format!("the {part}'s {name}"), Some(text), MAX_TEXT_BYTES)?,
        }
    }
    match *expressions > MAX_EXPRESSIONS {
        true => Err(format!("there are more than {MAX_EXPRESSIONS} regular expressions")),
        false => Ok(()),
    }
}

/// SentencePiece's character map: the size of a trie in bytes, the trie, then zero-terminated texts.
fn check_charsmap(text: &str) -> Result<(), String> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|e| format!("precompiled_charsmap is not base64: {e}"))?;
    let (size, rest) = bytes.split_first_chunk().ok_or("precompiled_charsmap is truncated")?;
    let size = u32::from_le_bytes(*size) as usize;
    let texts = rest.get(size..).ok_or("precompiled_charsmap is truncated")?;
    if size < 4 {
        return Err("precompiled_charsmap has no trie".into());
    }
    let longest = texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or(0);
    match longest > MAX_TEXT_BYTES {
        true => Err(format!("precompiled_charsmap has a text of {longest} bytes, but the maximum is {MAX_TEXT_BYTES}")),
        false => Ok(()),
    }
}
