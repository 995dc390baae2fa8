//! Entries whose size and checksum fit, and nothing else.

use crate::victim::{Victim, check};

#[test]
fn entries_that_are_not_entries() {
    let line = |line: &'static [u8]| {
        move |v: &Victim| {
            let first = b"{\"id\":\"a\",\"text\":\"\"}\n";
            v.forge("entries", [&first[..], line, b"\n"].concat());
        }
    };
    let expected = "line 2 of 'DIR/entries-2.jsonl' is not an entry: …";
    check(line(b""), expected);
    check(line(b"{}"), expected);
    check(line(b"{\"id\":\"b\"}"), expected);
    check(line(b"{\"id\":\"b\",\"text\":\"\xff\"}"), expected);
    check(line(b"{\"id\":\"b\",\"text\":\"\",\"vector\":[]}"), expected);
    check(line(b"{\"id\":\"b\",\"text\":\"\",\"metadata\":[]}"), expected);
    check(line(b"{\"id\":\"b\",\"text\":\"\"}{}"), expected);
    // A name that would move the cursor of a terminal.
    let expected = "line 2 of 'DIR/entries-2.jsonl' is not an entry: unknown field `\\u{1b}[2J\\n`, …";
    check(line(b"{\"\\u001b[2J\\n\":1}"), expected);
    let expected = "line 2 of 'DIR/entries-2.jsonl' is not an entry: …";
    let deep = format!("{{\"id\":\"b\",\"text\":\"\",\"metadata\":{{\"a\":{}", "[".repeat(100_000));
    check(line(deep.leak().as_bytes()), expected);
    check(line(b"{\"id\":\"\",\"text\":\"\"}"), "line 2 of 'DIR/entries-2.jsonl' has an empty id");
    check(line(b"{\"id\":\"a\",\"text\":\"b\"}"), "line 2 of 'DIR/entries-2.jsonl' has the id 'a' of line 1 again");
}

#[test]
fn entries_that_are_too_many_or_too_few() {
    for found in [0, 3, 5] {
        let lines: String = (0..found).map(|number| format!("{{\"id\":\"{number}\",\"text\":\"\"}}\n")).collect();
        let expected = format!("'DIR/entries-2.jsonl' has {found} entries, not 4 as store.json says");
        check(|v| v.forge("entries", lines), &expected);
    }
}
