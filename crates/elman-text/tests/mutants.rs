//! Damaged and forged tokenizers: none panics, takes much memory or time.
//!
//! More of them: `ELMAN_MUTANTS=50000 ELMAN_SEED=1 cargo test --release -p elman-text --test mutants -- --nocapture`

use std::{
    alloc::System,
    env,
    time::{Duration, Instant},
};

use cap::Cap;
use elman_text::{TextTokenizer, Tokenizer};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

mod foreign;

/// Counts allocated bytes.
#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Memory limit of a mutant: the texts have at most 4 KiB, their pieces 8 times that plus 64 KiB, and a few hundred
/// bytes each.
const MEMORY: usize = 96 << 20;
/// Additional memory as a multiple of the file size: a value takes 32 bytes in memory, and two in a file.
const MEMORY_PER_FILE_BYTE: usize = 64;
/// Far more than any mutant takes.
const TIME: Duration = Duration::from_secs(10);

#[test]
fn mutants_stay_within_memory_and_time_limits() {
    let number = |name, default| env::var(name).map_or(default, |value| value.parse().expect("a number"));
    let (count, seed, first) = (number("ELMAN_MUTANTS", 1000), number("ELMAN_SEED", 7), number("ELMAN_FIRST", 0));
    let texts = texts();
    let files = foreign::all();
    let (mut used, mut slowest, mut largest) = (0, Duration::ZERO, 0);
    for n in first..first + count {
        let mut rng = StdRng::seed_from_u64(seed << 32 | n);
        let (name, file) = &files[n as usize % files.len()];
        let mutant = mutate(file, &files, &mut rng);
        if count > 10_000 || first > 0 {
            eprint!("\r{n}: {} bytes ", mutant.len()); // the only trace of an abort
        }
        let (before, start) = (ALLOCATOR.allocated(), Instant::now());
        ALLOCATOR.set_limit(before + MEMORY + MEMORY_PER_FILE_BYTE * mutant.len()).expect("nothing else allocates");
        used += usize::from(is_used(&mutant, &texts, name));
        let duration = start.elapsed();
        largest = largest.max(ALLOCATOR.max_allocated().saturating_sub(before));
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        slowest = slowest.max(duration);
        assert!(duration < TIME, "{name}, mutant {n} of seed {seed}, takes {duration:?}");
    }
    println!("{used} of {count} mutants could be used; the slowest took {slowest:?}, the largest {largest} bytes");
    assert!(used > count as usize / 10 && used < count as usize, "{used} of {count} mutants could be used");
}

fn texts() -> Vec<String> {
    let mut texts: Vec<String> =
        ["", "the", "A probe: naïve 猫 🦀 ﬁnd\r\n", "[CLS] the cats <s> New York ~ 12 </s>"].map(String::from).into();
    texts.extend(["a", " ", "the cat sat. ", "猫ﷺ", "e\u{301}", "1a!"].map(|text| text.repeat((1 << 11) / text.len())));
    texts.push(("the ".repeat(250) + "x~\n").repeat(4));
    texts
}

/// Calls every method of a tokenizer; false if it cannot be loaded.
fn is_used(file: &[u8], texts: &[String], name: &str) -> bool {
    let Ok(tokenizer) = TextTokenizer::from_bytes(file, name) else { return false };
    for text in texts {
        let Ok(ids) = tokenizer.encode(text) else { continue };
        assert!(ids.iter().all(|id| (*id as usize) < tokenizer.vocab_size()), "{name}: id out of range");
        let _ = (tokenizer.decode(&ids), tokenizer.knows(&ids));
        let mut stream = tokenizer.decode_stream();
        ids.iter().take(100).for_each(|id| drop(stream.push(*id)));
        let _ = stream.finish();
    }
    let all: Vec<u32> = (0..tokenizer.vocab_size() as u32).collect();
    let _ = tokenizer.decode(&all);
    true
}

fn mutate(file: &Value, files: &[(&str, Value)], rng: &mut impl Rng) -> Vec<u8> {
    let mut file = file.clone();
    for _ in 0..rng.random_range(0..4) {
        // the components outside the model are small, but have the most to damage
        let part = ["normalizer", "pre_tokenizer", "decoder", "post_processor", "added_tokens", "model"];
        let other = &files[rng.random_range(0..files.len())].1;
        let part = part[rng.random_range(0..part.len())];
        match file.get_mut(part).filter(|_| rng.random_bool(0.9)) {
            Some(part) => change(part, other, rng),
            None => change(&mut file, other, rng),
        }
    }
    let mut bytes = serde_json::to_vec(&file).unwrap();
    if rng.random_bool(0.2) {
        for _ in 0..rng.random_range(1..4) {
            let index = rng.random_range(0..bytes.len());
            bytes[index] ^= 1 << rng.random_range(0..8);
        }
    }
    if rng.random_bool(0.02) {
        bytes.truncate(rng.random_range(0..bytes.len()));
    }
    bytes
}

/// Changes a random value in the tree.
fn change(value: &mut Value, other: &Value, rng: &mut impl Rng) {
    let children = match value {
        Value::Array(values) => values.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    if children > 0 && rng.random_bool(0.85) {
        let n = rng.random_range(0..children);
        let child = match value {
            Value::Array(values) => values.get_mut(n),
            Value::Object(fields) => fields.values_mut().nth(n),
            _ => None,
        };
        return change(child.expect("a child"), other, rng);
    }
    match rng.random_range(0..6) {
        0 => *value = anything(rng),
        1 => *value = below(other, rng).clone(),
        _ => match value {
            Value::Null => *value = anything(rng),
            Value::Bool(x) => *x = !*x,
            Value::Number(_) => *value = extreme(rng),
            Value::String(text) => *text = strange(text, rng),
            Value::Array(values) => change_list(values, rng),
            Value::Object(fields) => {
                let names: Vec<String> = fields.keys().cloned().collect();
                let Some(name) = names.get(rng.random_range(0..names.len().max(1))) else { return };
                let removed = fields.remove(name).expect("the key exists");
                match rng.random_range(0..4) {
                    0 => {}
                    1 => drop(fields.insert(strange(name, rng), removed)),
                    // a sequence that contains copies of the value
                    _ => {
                        let list = ["normalizers", "pretokenizers", "decoders", "processors"][rng.random_range(0..4)];
                        fields.insert(name.clone(), removed);
                        let times = [1, 2, 20, 100, 300][rng.random_range(0..5)];
                        let inner = Value::Object(fields.clone());
                        *value = json!({"type": "Sequence", list: vec![inner; times]});
                    }
                }
            }
        },
    }
}

fn change_list(values: &mut Vec<Value>, rng: &mut impl Rng) {
    if values.is_empty() {
        return values.push(anything(rng));
    }
    let index = rng.random_range(0..values.len());
    match rng.random_range(0..4) {
        0 => drop(values.remove(index)),
        1 => values.insert(index, values[index].clone()),
        2 => values.reverse(),
        _ => {
            let again = vec![values[index].clone(); rng.random_range(1..200)];
            values.extend(again);
        }
    }
}

/// A random value in the tree.
fn below<'a>(value: &'a Value, rng: &mut impl Rng) -> &'a Value {
    let children: Vec<&Value> = match value {
        Value::Array(values) => values.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        _ => vec![],
    };
    match children.is_empty() || rng.random_bool(0.2) {
        true => value,
        false => below(children[rng.random_range(0..children.len())], rng),
    }
}

fn anything(rng: &mut impl Rng) -> Value {
    match rng.random_range(0..5) {
        0 => Value::Null,
        1 => json!(rng.random_bool(0.5)),
        2 => extreme(rng),
        3 => strange("a", rng).into(),
        _ => [json!([]), json!({}), json!([[[[]]]]), json!({"type": "Sequence"})][rng.random_range(0..4)].clone(),
    }
}

fn extreme(rng: &mut impl Rng) -> Value {
    let numbers = [
        json!(0),
        json!(1),
        json!(-1),
        json!(2),
        json!(7),
        json!(255),
        json!(65_536),
        json!(i32::MAX),
        json!(u32::MAX),
        json!(1_u64 << 32),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(0.5),
        json!(-1e308),
        json!(1e308),
        json!(5e-324),
    ];
    numbers[rng.random_range(0..numbers.len())].clone()
}

fn strange(text: &str, rng: &mut impl Rng) -> String {
    let texts = [
        "",
        " ",
        "a",
        "the",
        "▁",
        "\0",
        "猫",
        "🦀",
        "ﷺ",
        "##",
        "<unk>",
        "<0x41>",
        "[UNK]",
        ".",
        ".*",
        "",
        "(a*)*b",
        "(?=.*t)",
        "(a|aa)+$",
        "(?<=a)",
        "\\b",
        "[",
        "(((((((((",
        "\\p{L}{99}{99}",
        "(?:a?){99}a{99}",
        "x*",
        "^",
        "$",
        "(.)\\1",
    ];
    match rng.random_range(0..10) {
        0 => text.repeat(rng.random_range(2..30)),
        1 => text.repeat(100_000 / text.len().max(1)),
        2 => text.chars().rev().collect(),
        3 => text.to_uppercase(),
        4 => {
            // replace one character
            let index = rng.random_range(0..text.chars().count().max(1));
            text.chars().enumerate().map(|(n, c)| if n == index { 'a' } else { c }).collect()
        }
        5 => foreign::charsmap(texts[rng.random_range(0..texts.len())]),
        _ => texts[rng.random_range(0..texts.len())].into(),
    }
}
