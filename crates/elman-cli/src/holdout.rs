//! Splitting a text into training and validation parts.

use elman::text::{Corpus, TextError, TextTokenizer, Tokenizer, Tokens, Unit};

/// The share of the text that is held out for validation if no validation text is given, in percent.
pub const PERCENT: u64 = 10;

/// The tokens of the text up to its last [`PERCENT`], and of the rest. Splits after the last line end before that
/// position in the chunk that contains it, else after a space, else between two characters.
pub fn encode(corpus: &Corpus, tokenizer: &TextTokenizer) -> Result<(Tokens, Tokens), TextError> {
    // UTF-8 bytes, whatever the encoding of the files
    let bytes = corpus.text_bytes()?;
    let target = bytes / 100 * (100 - PERCENT) + bytes % 100 * (100 - PERCENT) / 100;
    let (mut train, mut valid) = (Tokens::new(), Tokens::new());
    let mut read = 0;
    for file in corpus.by_file() {
        let mut ended = true;
        for chunk in file.pieces() {
            let chunk = chunk?;
            let remaining = target.saturating_sub(read);
            read += chunk.len() as u64;
            let (before, after) = chunk.split_at(split_offset(&chunk, remaining));
            push(&mut train, before, tokenizer)?;
            push(&mut valid, after, tokenizer)?;
            ended = chunk.ends_with('\n');
        }
        if !ended && tokenizer.unit() == Unit::Word {
            // like Corpus::encode, terminates the last line of a file
            let tokens = if read > target { &mut valid } else { &mut train };
            tokens.extend(&tokenizer.encode("\n")?, 0, 0);
        }
    }
    Ok((train, valid))
}

fn push(tokens: &mut Tokens, text: &str, tokenizer: &TextTokenizer) -> Result<(), TextError> {
    if !text.is_empty() {
        tokens.extend(&tokenizer.encode(text)?, text.chars().count(), text.len());
    }
    Ok(())
}

/// The offset at which to split a chunk so that its first part has at most `target` bytes.
fn split_offset(chunk: &str, target: u64) -> usize {
    let target = match usize::try_from(target) {
        Ok(target) if target < chunk.len() => target,
        _ => return chunk.len(),
    };
    let bytes = chunk.as_bytes();
    let before = |wanted: u8| bytes[..target].iter().rposition(|byte| *byte == wanted).map(|at| at + 1);
    if target == 0 {
        return 0;
    }
    before(b'\n').or_else(|| before(b' ')).unwrap_or_else(|| chunk.floor_char_boundary(target))
}

#[cfg(test)]
mod tests {
    use elman::text::TokenizerConfig;

    use super::*;

    fn split(text: &str, unit: Unit) -> (String, String, [u64; 2]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        std::fs::write(&path, text).unwrap();
        let corpus = Corpus::open([&path]).unwrap();
        let tokenizer = TokenizerConfig::new(unit).train(&corpus).unwrap();
        let (train, valid) = encode(&corpus, &tokenizer).unwrap();
        let decode = |tokens: &Tokens| tokenizer.decode(&tokens.iter().collect::<Vec<_>>()).unwrap();
        (decode(&train), decode(&valid), [train.bytes(), valid.bytes()])
    }

    #[test]
    fn the_last_tenth_is_held_out_from_a_line_end() {
        let text = "0123456 8\n".repeat(20);
        assert_eq!(split(&text, Unit::Char), ("0123456 8\n".repeat(18), "0123456 8\n".repeat(2), [180, 20]));
        // the target is 92 bytes; the last line end before it is at 90
        let text = "0123456 8\n".repeat(10) + "end";
        assert_eq!(split(&text, Unit::Char).1, "0123456 8\nend");
        assert_eq!(split(&text, Unit::Word).1, "0123456 8\nend\n");
    }

    #[test]
    fn a_text_without_line_ends_is_split_at_a_space_or_a_character() {
        assert_eq!(split("aaaa bbbb cccc dddd", Unit::Char).1, "dddd");
        assert_eq!(split(&"é".repeat(15), Unit::Char).1, "éé");
    }

    #[test]
    fn nothing_is_lost_between_the_chunks_of_a_large_text() {
        let text: String = (0..40_000).map(|n| format!("line {n}\n")).collect();
        let (train, valid, bytes) = split(&text, Unit::Char);
        assert_eq!(bytes[0] + bytes[1], text.len() as u64);
        assert!(bytes[1] >= text.len() as u64 / 10 && bytes[1] < text.len() as u64 / 9);
        assert_eq!(train + &valid, text);
    }
}
