//! What a `tokenizer.json` may ask for, looked at before anything is built from it.

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;

/// The most bytes of a text that a step puts into another, and of a model's unknown token, prefix and suffix.
pub(crate) const LONGEST_TEXT: usize = 64;
/// The most bytes of a pattern that a step looks for.
const LONGEST_PATTERN: usize = 4096;
/// The most steps of a normalizer, a pre-tokenizer or a decoder, and how deep they may be nested.
const STEPS: usize = 256;
const DEPTH: usize = 16;
/// Regular expressions in all steps; each may take some megabytes.
const EXPRESSIONS: usize = 32;
/// The most bytes of a token. A tokenizer of words has one of this size if a text has such a word.
const LONGEST_TOKEN: usize = 1 << 20;
/// The most bytes of a unigram model's token: each is a path in a tree that is freed by recursion, and looking for tokens takes
/// time that grows with the square of the longest.
const LONGEST_PIECE: usize = 512;
/// The most characters of a word that WordPiece looks into, which takes time that grows with their cube.
const LONGEST_WORD: u64 = 512;

/// The most objects in a file, each of which takes half a kilobyte in memory, however short it is.
const OBJECTS: usize = 1 << 18;

/// What of a file is too much to be read at all.
pub(crate) fn check_size(file: &[u8]) -> Result<(), String> {
    match file.iter().filter(|byte| **byte == b'{').count() > OBJECTS {
        true => Err(format!("it has more than {OBJECTS} objects")),
        false => Ok(()),
    }
}

/// What is out of bounds in a file, if anything is.
pub(crate) fn check(file: &Value) -> Result<(), String> {
    let mut expressions = 0;
    for part in ["normalizer", "pre_tokenizer", "decoder"] {
        let mut steps = 0;
        check_steps(part, &file[part], 0, &mut steps, &mut expressions)?;
    }
    for token in file["added_tokens"].as_array().into_iter().flatten() {
        check_length("an added token", token["content"].as_str(), LONGEST_TOKEN)?;
    }
    let model = &file["model"];
    for field in ["unk_token", "continuing_subword_prefix", "end_of_word_suffix"] {
        check_length(&format!("the model's {field}"), model[field].as_str(), LONGEST_TEXT)?;
    }
    if let Some(found) = model["max_input_chars_per_word"].as_u64().filter(|found| *found > LONGEST_WORD) {
        return Err(format!("max_input_chars_per_word is {found}, and may be at most {LONGEST_WORD}"));
    }
    match &model["vocab"] {
        Value::Object(tokens) => {
            tokens.keys().try_for_each(|token| check_length("a token", Some(token), LONGEST_TOKEN))
        }
        Value::Array(pieces) => {
            pieces.iter().try_for_each(|piece| check_length("a token", piece[0].as_str(), LONGEST_PIECE))
        }
        _ => Ok(()),
    }
}

fn check_length(what: &str, text: Option<&str>, longest: usize) -> Result<(), String> {
    match text {
        Some(text) if text.len() > longest => {
            Err(format!("{what} has {} bytes, and may have at most {longest}", text.len()))
        }
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
    if depth > 2 * DEPTH {
        return Err(format!("the {part}'s steps are nested more than {DEPTH} deep"));
    }
    let fields = match value {
        Value::Array(values) => {
            return values.iter().try_for_each(|value| check_steps(part, value, depth + 1, steps, expressions));
        }
        Value::Object(fields) => fields,
        _ => return Ok(()),
    };
    *steps += 1;
    if *steps > STEPS {
        return Err(format!("the {part} has more than {STEPS} steps"));
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
                check_length(&format!("a pattern of the {part}"), Some(text), LONGEST_PATTERN)?;
            }
            _ => check_length(&format!("the {part}'s {name}"), Some(text), LONGEST_TEXT)?,
        }
    }
    match *expressions > EXPRESSIONS {
        true => Err(format!("there are more than {EXPRESSIONS} regular expressions")),
        false => Ok(()),
    }
}

/// SentencePiece's table of replacements: the size of a trie in bytes, the trie, then texts that end with a zero byte.
fn check_charsmap(text: &str) -> Result<(), String> {
    let bytes = BASE64_STANDARD.decode(text).map_err(|e| format!("precompiled_charsmap is not base64: {e}"))?;
    let (size, rest) = bytes.split_first_chunk().ok_or("precompiled_charsmap is cut off")?;
    let size = u32::from_le_bytes(*size) as usize;
    let texts = rest.get(size..).ok_or("precompiled_charsmap is cut off")?;
    if size < 4 {
        return Err("precompiled_charsmap has no trie".into());
    }
    let longest = texts.split(|byte| *byte == 0).map(<[u8]>::len).max().unwrap_or(0);
    match longest > LONGEST_TEXT {
        true => Err(format!("precompiled_charsmap has a text of {longest} bytes, and at most {LONGEST_TEXT} are read")),
        false => Ok(()),
    }
}
